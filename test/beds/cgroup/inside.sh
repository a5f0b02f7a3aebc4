# What the machine's PID 1 does, sourced by the job that the runner wrote: sets the machine up, runs suites, and turns it
# off. The checkout is the host's, read-only; only $results is written to the host, and what is in no file there by the
# end did not happen.

export PATH="$checkout/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export HOME=/run TMPDIR=/run/tmp LANG=C.UTF-8 TERM=dumb NO_COLOR=1 CI=1
hierarchy=/sys/fs/cgroup

set_up() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /dev/pts /dev/shm /run/checkout /run/results
  mkdir -m 1777 /run/tmp
  mount -t devpts -o ptmxmode=666 devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  mount -t hostfs -o "$results" results /run/results
  # By a path that an ordinary user can walk, wherever the checkout lies.
  mount --bind "$checkout" /run/checkout
  mount -t tmpfs -o mode=1777 tmpfs /run/checkout/node_modules/.vitest
  export PATH="/run/checkout/node_modules/.bin:$PATH"
  ip link set lo up
  # As systemd mounts it.
  mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 "$hierarchy"
  hand_on "$hierarchy"
}

hand_on() {
  echo '+cpu +memory +pids' >"$1/cgroup.subtree_control"
}

# suite NAME USER FILE...: runs these tests as that user, in a service as `Delegate=yes` and `DelegateSubgroup=main` lay it
# out: cgroups(7) and systemd.resource-control(5).
suite() {
  local name=$1 user=$2 service="$hierarchy/system.slice/$1.service"
  shift 2
  mkdir -p "$service/main"
  hand_on "$hierarchy/system.slice"
  local file
  for file in "$service" "$service/main"; do
    chown "$user" "$file" "$file"/cgroup.procs "$file"/cgroup.threads "$file"/cgroup.subtree_control
  done
  rm -f /run/checkout/node_modules/.vitest/results.json
  printf '\n== %s\n' "$name"
  (
    echo 0 >"$service/main/cgroup.procs"
    export COPPICE_CGROUP="$service"
    cd /run/checkout
    exec setpriv --reuid "$user" --regid "$user" --clear-groups \
      node node_modules/vitest/vitest.mjs run --config test/vitest.config.ts --configLoader runner \
      --no-file-parallelism "$@" </dev/null
  ) 2>&1 | cat
  cp /run/checkout/node_modules/.vitest/results.json "/run/results/$name.json"
}

power_off() {
  sync
  echo o >/proc/sysrq-trigger
  # It is turned off while we wait; PID 1 does not return.
  while :; do sleep 1; done
}
