# SPDX-License-Identifier: Apache-2.0
"""A TCP client that is no process's socket: its packets come out of a TUN device, so the kernel sees a truly remote
peer. Enough of RFC 9293 for one short request on a loss-free link, and no more."""

import fcntl
import os
import random
import select
import socket
import struct
import time

from lab.host import run

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def _checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class RemotePeer:
    """The only other host on a network of its own. Use as a context manager."""

    def __init__(self):
        network = f"10.199.{random.randrange(1, 255)}"
        self.address, self.host_address = f"{network}.2", f"{network}.1"
        self.device = f"mw{os.getpid() % 100000}"
        self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", self.device.encode(), _IFF_TUN | _IFF_NO_PI))
        for command in (("addr", "add", f"{self.host_address}/24", "dev", self.device),
                        ("link", "set", self.device, "up")):
            run(["/usr/sbin/ip", *command]).check_returncode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._tun)  # the device goes with its descriptor

    def connect(self, port):
        return _Connection(self, port)

    def send(self, segment):
        """One TCP segment to this host, its checksum still zero."""
        ends = socket.inet_aton(self.address) + socket.inet_aton(self.host_address)
        summed = _checksum(ends + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)) + segment)
        segment = segment[:16] + struct.pack("!H", summed) + segment[18:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + ends
        os.write(self._tun, header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + segment)

    def receive(self, port, timeout_s):
        """The next TCP segment to a port of the peer, or None."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._tun], [], [], left)[0]:
                break
            packet = os.read(self._tun, 65536)
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            segment = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
            if struct.unpack("!H", segment[2:4])[0] == port:
                return segment
        return None


class _Connection:
    """An open TCP connection of the remote peer."""

    def __init__(self, peer, port):
        self._peer, self._port = peer, port
        self.source_ip, self.source_port = peer.address, random.randrange(33000, 60000)
        self._sequence, self._acknowledged = random.randrange(1, 2**31), 0
        self._send(_SYN)
        answer = self._receive()
        if not answer or not answer[13] & _SYN or answer[13] & _RST:
            raise ConnectionError(f"the host does not accept on port {port}")
        self._sequence, self._acknowledged = self._sequence + 1, struct.unpack("!I", answer[4:8])[0] + 1
        self._send(_ACK)

    def exchange(self, request):
        """Sends a request and returns all bytes until the host closes."""
        self._send(_PSH | _ACK, request)
        self._sequence += len(request)
        answer, done = b"", False
        while not done:
            segment = self._receive()
            if segment is None or segment[13] & _RST:
                raise ConnectionError("no answer to the request, or a reset")
            data, done = self._accept(segment)
            answer += data
        self._send(_FIN | _ACK)
        return answer

    def _accept(self, segment):
        """(new bytes, host has closed). Acknowledges what came in order; ignores repetitions."""
        begins = struct.unpack("!I", segment[4:8])[0]
        data = segment[(segment[12] >> 4) * 4:]
        closes = bool(segment[13] & _FIN)
        if begins != self._acknowledged or not (data or closes):
            return b"", False
        self._acknowledged = (self._acknowledged + len(data) + closes) % 2**32
        self._send(_ACK)
        return data, closes

    def _send(self, flags, data=b""):
        self._peer.send(struct.pack("!HHIIBBHHH", self.source_port, self._port, self._sequence % 2**32,
                                    self._acknowledged, 5 << 4, flags, 65535, 0, 0) + data)

    def _receive(self):
        return self._peer.receive(self.source_port, 10)
