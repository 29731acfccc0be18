#!/usr/bin/env bash
# Starts a SLURM of one node in the present folder, submits the array job $1,
# waits for it and stops what was started. Exits with 77 where SLURM's programs
# or the rights to start them are missing.
set -euo pipefail
script=$1
for program in munged slurmctld slurmd sbatch squeue scontrol; do
  if ! PATH=$PATH:/usr/sbin command -v "$program" >/dev/null; then
    echo "$program is missing; install slurmctld, slurmd, slurm-client and munge"
    exit 77
  fi
done
[ "$(id -u)" = 0 ] || { echo "slurmd wants to be started by root"; exit 77; }
export PATH=$PATH:/usr/sbin

here=$PWD/slurm
mkdir -p "$here/state" "$here/spool"
# A key and a socket of its own, so that a munged of the system is left alone.
dd if=/dev/urandom of="$here/munge.key" bs=1024 count=1 status=none
chmod 600 "$here/munge.key"
# Sockets have short paths only.
sockets=$(mktemp -d /tmp/munge-XXXXXX)
munged --force --key-file="$here/munge.key" --socket="$sockets/munge.socket" \
  --log-file="$here/munged.log" --pid-file="$here/munged.pid" --seed-file="$here/munged.seed"

host=$(hostname -s)
cores=$(nproc)
cat > "$here/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$sockets/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF=$here/slurm.conf

stop() {
  for name in slurmd slurmctld munged; do
    # Only what was started here, by its number.
    if [ -f "$here/$name.pid" ]; then kill "$(cat "$here/$name.pid")" 2>/dev/null || true; fi
  done
  rm -rf "$sockets"
}
trap stop EXIT

slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF" -N "$host" || slurmd -f "$SLURM_CONF"
for _ in $(seq 60); do
  if scontrol show node "$host" 2>/dev/null | grep -q 'State=IDLE'; then ready=1; break; fi
  sleep 0.5
done
if [ -z "${ready:-}" ]; then
  scontrol show node "$host" || true
  tail -n 30 "$here"/*.log
  exit 1
fi

# A task may use half of the node, so that two go side by side where there are
# two cores.
job=$(sbatch --parsable --ntasks=1 --cpus-per-task=1 "$script")
echo "job $job"
for _ in $(seq 360); do
  if [ -z "$(squeue --noheader --jobs="$job" 2>/dev/null)" ]; then
    echo "ended"
    exit 0
  fi
  sleep 0.5
done
squeue
tail -n 30 "$here"/*.log
exit 1
