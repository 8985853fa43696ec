#!/bin/sh
# apt_install.sh PACKAGE... [-- OPTIONAL...]: install Debian packages as root, without services that run afterwards.
#
# Debian starts what it installs. While apt runs, a policy (/usr/sbin/policy-rc.d) forbids that for the services we run
# ourselves; a policy that was there keeps its say on everything else and is put back, after a failure too. A fresh
# service is then taken out of the boot as well. One that was there before is left as it is. What is optional and not
# among apt's packages is left out. MODELSVC_ROOT goes before the paths (the tests set it).
set -eu

SERVICES='nginx prometheus'  # packages whose service and program have the same name
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

# Our services among the packages.
services_in() {
    for service in $SERVICES; do
        case " $* " in *" $service "*) echo "$service" ;; esac
    done
}

forbid_start() {
    patterns=
    for service; do patterns="$patterns${patterns:+ | }*\" $service \"* | *\" $service.service \"*"; done
    [ ! -e "$policy" ] || mv "$policy" "$saved"
    cat > "$policy.new" <<POLICY
#!/bin/sh
# written by modelsvc's setup, which removes it again
case " \$* " in $patterns) exit 101 ;; esac
[ ! -x "$saved" ] || exec "$saved" "\$@"
POLICY
    chmod 755 "$policy.new"
    mv "$policy.new" "$policy"
}

keep_from_booting() {
    if have systemctl; then
        systemctl disable --quiet "$1"
    elif have update-rc.d; then
        update-rc.d "$1" disable
    fi
}

update_lists() {
    apt-get update --quiet=2 -o DPkg::Lock::Timeout=600 9>&- ||
         say "apt-get update failed; going on with the lists there are"
}

# The required packages, and the optional ones that apt knows.
choose() {
    optional=
    for package; do
        if [ "$package" = -- ]; then
            optional=yes
        elif [ -z "$optional" ] || apt-cache show "$package" > /dev/null 2>&1; then
            echo "$package"
        fi
    done
}

exec 9> "$base/run/lock/modelsvc-setup"
flock 9  # two setups at once would save each other's policy
restore_policy  # of a setup that was killed
# Another apt may be at work: wait for it rather than fail.
export DEBIAN_FRONTEND=noninteractive
update_lists
packages=$(choose "$@" | tr '\n' ' ')
[ -n "$packages" ] || exit 0
# shellcheck disable=SC2086  # one word for each package
services=$(services_in $packages)
fresh=
for service in $services; do have "$service" || fresh="$fresh $service"; done
trap restore_policy EXIT
trap 'exit 130' INT HUP TERM
# shellcheck disable=SC2086  # one word for each service
[ -z "$services" ] || forbid_start $services
# shellcheck disable=SC2086  # one word for each package
apt-get install --quiet=2 --yes --no-install-recommends -o DPkg::Lock::Timeout=600 $packages 9>&-
hash -r
for service in $fresh; do
    if have "$service"; then
        keep_from_booting "$service" ||
            say "$service could not be taken out of the boot; see: systemctl status $service"
    fi
done
