#!/bin/sh
# apt_install.sh PACKAGE...: install Debian packages as root, without a system nginx that runs afterwards.
#
# Debian starts what it installs. While apt runs, a policy (/usr/sbin/policy-rc.d) forbids that for nginx alone; a
# policy that was there keeps its say on everything else and is put back, after a failure too. A fresh nginx is then
# taken out of the boot as well: modelsvc runs one of its own. An nginx that was there before is left as it is.
# MODELSVC_ROOT goes before the paths (the tests set it).
set -eu

base=${MODELSVC_ROOT-}
policy=$base/usr/sbin/policy-rc.d
saved=$policy.before-modelsvc

say() { echo "setup: $*"; }
have() { command -v "$1" > /dev/null 2>&1; }

restore_policy() {
    if [ -e "$saved" ]; then
        mv -f "$saved" "$policy"
    elif grep -qs 'written by modelsvc' "$policy"; then
        rm -f "$policy"
    fi
}

forbid_nginx_start() {
    [ ! -e "$policy" ] || mv "$policy" "$saved"
    cat > "$policy.new" <<POLICY
#!/bin/sh
# written by modelsvc's setup, which removes it again
case " \$* " in *" nginx "* | *" nginx.service "*) exit 101 ;; esac
[ ! -x "$saved" ] || exec "$saved" "\$@"
POLICY
    chmod 755 "$policy.new"
    mv "$policy.new" "$policy"
}

keep_nginx_from_booting() {
    if have systemctl; then
        systemctl disable --quiet nginx
    elif have update-rc.d; then
        update-rc.d nginx disable
    fi
}

apt_install() {
    # Another apt may be at work: wait for it rather than fail.
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2 -o DPkg::Lock::Timeout=600 9>&- ||
         say "apt-get update failed; going on with the lists there are"
    apt-get install --quiet=2 --yes --no-install-recommends -o DPkg::Lock::Timeout=600 "$@" 9>&-
}

exec 9> "$base/run/lock/modelsvc-setup"
flock 9  # two setups at once would save each other's policy
restore_policy  # of a setup that was killed
had_nginx=$(command -v nginx || true)
trap restore_policy EXIT
trap 'exit 130' INT HUP TERM
case " $* " in *" nginx "*) forbid_nginx_start ;; esac
apt_install "$@"
hash -r
if [ -z "$had_nginx" ] && have nginx; then
    keep_nginx_from_booting || say "nginx could not be taken out of the boot; see: systemctl status nginx"
fi
