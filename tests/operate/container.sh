#!/bin/sh
# Runs a command as a container engine does: in a root that holds an image's files and nothing else, read-only, as that user,
# with that environment alone and no privileges. Usage:
#
#   container.sh ROOT USER [-m SOURCE TARGET | -w SOURCE TARGET | -e NAME=VALUE]… -- COMMAND [ARGUMENT…]
#
# -m mounts read-only, -w writable. The network is the machine's.
set -eu

if [ "${TENURE_CONTAINER:-}" != inside ]; then
  TENURE_CONTAINER=inside exec unshare --mount --propagation private -- "$0" "$@"
fi
unset TENURE_CONTAINER

root=$1
user=$2
shift 2
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
for device in null zero random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
variables=$(mktemp)
trap 'rm -f "$variables"' EXIT
while [ "$1" != -- ]; do
  case $1 in
    -m | -w)
      mount --bind "$2" "$root$3"
      [ "$1" = -w ] || mount -o remount,bind,ro "$root$3"
      shift 3
      ;;
    -e)
      printf '%s\n' "$2" >>"$variables"
      shift 2
      ;;
  esac
done
shift
mount -o remount,bind,ro "$root"
set -- "$(command -v setpriv)" --no-new-privs "$(command -v chroot)" --userspec="$user:$user" --groups="$user" "$root" "$@"
while IFS= read -r variable; do
  set -- "$variable" "$@"
done <"$variables"
rm -f "$variables"
exec env -i "$@"
