mount -t tmpfs tmpfs {dev}
mkdir {dev}/dri {dev}/shm {dev}/pts
for one in null zero full random urandom tty; do : > {dev}/$one; mount --bind /dev/$one {dev}/$one; done
mount --bind /dev/shm {dev}/shm
for one in kfd dri/renderD128; do : > {dev}/$one; mount --bind /dev/null {dev}/$one; done
ln -s /proc/self/fd {dev}/fd
mount --rbind {dev} /dev
mount --bind {root}/pci /sys/bus/pci/devices
mount --bind {root}/class /sys/class
