#!/bin/sh
# A user's systemd in namespaces of its own, where everything it starts ends with it. $1: its runtime folder.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$1" # the former says that this machine runs systemd
umount -l /sys/fs/cgroup 2>/dev/null || :
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group="/sys/fs/cgroup/modelsvc-test-$2"
mkdir "$group"
echo $$ > "$group/cgroup.procs"
/lib/systemd/systemd --user --log-target=console &
wait
echo $$ > /sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} \;
