"""Hosts of their own on this machine: network namespaces, and between them a network that loses, delays or cuts.

    with Network("web", "one", "two") as network:
        network.enter("web")                          # this thread, and all that it starts, is on that host
        subprocess.Popen(network.on("one", command))  # and this program on another one
        network.link("web", "one", loss=0.05, delay_ms=20)
        network.cut("web", "one"); network.heal()

Each host has one interface, 10.77.0.N, whose other end is a process that hands packets on: so nothing of it can reach
anything else, it needs no interface on this host, and it does what `tc netem` would where a kernel has none. A host that is
left without its packets sees what one sees whose cable was drawn: connections stay, and nobody answers.

Root alone may make namespaces; `why_not` says what is missing.
"""
import ctypes
import fcntl
import heapq
import json
import os
import random
import re
import select
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
PACKET_MAX = 65536
libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """None where namespaces can be made, else the reason."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if not os.access("/dev/net/tun", os.W_OK):
        return "there is no /dev/net/tun"
    remove_left()
    name = f"or{os.getpid()}-try"
    done = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return f"ip netns add: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


def remove_left():
    """Those of tests that were killed."""
    names = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True).stdout
    for pid, name in re.findall(r"^(?=or(\d+)-)(\S+)", names, re.MULTILINE):
        if not os.path.exists(f"/proc/{pid}"):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def set_namespace(path):
    """Of this thread."""
    with open(path) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


class Network:
    def __init__(self, *hosts):
        self.hosts, self.devices, self.relay = list(hosts), [], None
        self.namespaces = {host: f"or{os.getpid()}-{host}" for host in hosts}

    def address(self, host):
        return f"10.77.0.{1 + self.hosts.index(host)}"

    def enter(self, host):
        set_namespace(f"/run/netns/{self.namespaces[host]}")

    def leave(self):
        """Back to where this test was started."""
        if libc.setns(self.home, CLONE_NEWNET) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def on(self, host, command):
        """The command that is this one there; the same process."""
        return ["nsenter", f"--net=/run/netns/{self.namespaces[host]}", "--", *map(str, command)]

    # ---- conditions ----

    def link(self, one, other, loss=0.0, delay_ms=0.0, way="both"):
        """What becomes of packets between the two; way: "there" for those to `other` alone."""
        pairs = [(one, other)] if way == "there" else [(one, other), (other, one)]
        for pair in pairs:
            self.say({"from": self.hosts.index(pair[0]), "to": self.hosts.index(pair[1]), "loss": loss, "delay": delay_ms / 1e3})

    def cut(self, one, other, way="both"):
        self.link(one, other, loss=1, way=way)

    def heal(self):
        for number, one in enumerate(self.hosts):
            for other in self.hosts[number + 1:]:
                self.link(one, other)

    def say(self, order):
        """It holds when this returns."""
        self.relay.stdin.write(json.dumps(order).encode() + b"\n")
        self.relay.stdin.flush()
        if not self.relay.stdout.readline():
            raise AssertionError("the network has ended")

    # ---- life ----

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            for host in self.hosts:
                subprocess.run(["ip", "netns", "add", self.namespaces[host]], check=True)
                self.devices.append(self.plug_in(host))
            self.relay = subprocess.Popen([sys.executable, __file__, *map(str, self.devices)], pass_fds=self.devices,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def plug_in(self, host):
        """The host's interface; returns its other end."""
        self.enter(host)
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"net0", IFF_TUN | IFF_NO_PI))
            for words in ("addr add", self.address(host) + "/24", "dev net0"), ("link set", "net0 up"), ("link set", "lo up"):
                subprocess.run(["ip", *" ".join(words).split()], check=True)
        finally:
            self.leave()
        return device

    def __exit__(self, *_):
        self.leave()
        if self.relay:
            self.relay.stdin.close()
            self.relay.wait()
            self.relay.stdout.close()
        for device in self.devices:
            os.close(device)
        for name in self.namespaces.values():
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        os.close(self.home)


# ---- the process between them ----

class Relay:
    def __init__(self, devices):
        self.devices, self.links, self.late, self.number = devices, {}, [], 0
        self.dice = random.Random(1)

    def take(self, source):
        packet = os.read(self.devices[source], PACKET_MAX)
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return
        target = packet[19] - 1     # of 10.77.0.N
        if packet[16:19] != bytes((10, 77, 0)) or not 0 <= target < len(self.devices):
            return
        loss, delay = self.links.get((source, target), (0, 0))
        if loss and self.dice.random() < loss:
            return
        if delay:
            self.number += 1
            heapq.heappush(self.late, (time.monotonic() + delay, self.number, target, packet))
        else:
            self.give(target, packet)

    def give(self, target, packet):
        try:
            os.write(self.devices[target], packet)
        except OSError:     # its queue is full: a packet is lost
            pass

    def obey(self, line):
        order = json.loads(line)
        self.links[order["from"], order["to"]] = order["loss"], order["delay"]
        os.write(1, b"done\n")

    def run(self):
        poll = select.poll()
        numbers = {device: number for number, device in enumerate(self.devices)}
        for descriptor in (0, *self.devices):
            poll.register(descriptor, select.POLLIN)
        while True:
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                self.give(*heapq.heappop(self.late)[2:])
            wait = (self.late[0][0] - now) * 1e3 if self.late else None
            for descriptor, _ in poll.poll(wait):
                if descriptor != 0:
                    self.take(numbers[descriptor])
                    continue
                line = sys.stdin.buffer.readline()
                if not line:
                    return
                self.obey(line)


if __name__ == "__main__":
    Relay([int(device) for device in sys.argv[1:]]).run()
