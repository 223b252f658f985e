"""Started by a service manager, as systemd is one: it makes the FastCGI socket, and hears when all is ready and that the
supervisor lives."""
import os
import socket
import subprocess
import unittest

from stack import BIN, PATIENCE, ROOT, Stack


class Managed(Stack):
    """Its socket is made by the test, which hears what the supervisor says."""

    def _launch_supervisor(self):
        if not self.runtime.exists():
            self.runtime.mkdir()
            self.listening, self.heard = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.listening.bind(self.socket)
            self.listening.listen(64)
            self.heard.bind(str(self.directory / "notify"))
            self.heard.settimeout(PATIENCE)
        # Where a descriptor has to be, and whose it is, is the receiver's: a shell becomes it.
        script = 'ready=$1 given=$2; shift 2; exec 9>&"$ready" 3<&"$given"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" -r 9'
        read_end, write_end = os.pipe()
        given = (write_end, self.listening.fileno())
        environment = os.environ | {"NOTIFY_SOCKET": str(self.directory / "notify"), "WATCHDOG_USEC": "200000"}
        with open(self.log, "ab") as log:
            self.supervisor = subprocess.Popen(
                ["bash", "-c", script, "-", *map(str, given), BIN / "outrigger-supervisor", *self.arguments()], cwd=ROOT,
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=given, start_new_session=True)
        os.close(write_end)
        os.set_blocking(read_end, False)
        return read_end

    def hear(self, line):
        """Waits until it is said."""
        while line not in self.heard.recv(1024).decode().split("\n"):
            pass

    def _nothing_is_left(self):
        os.unlink(self.socket)  # fails when the supervisor has removed what is not its own
        super()._nothing_is_left()


class Service(unittest.TestCase):
    def test_a_service_of_systemd(self):
        with Managed(models=["cancer-logistic"]) as stack:
            stack.hear("READY=1")
            stack.hear("WATCHDOG=1")
            frontends = stack.pids("frontend")
            stack.kill_supervisor()
            stack.hear("READY=1")
            self.assertEqual(stack.pids("frontend"), frontends, "they have the socket already")
            # The program that it becomes has all of that, too.
            self.assertEqual(stack.outrigger("upgrade", "--wait", "60s").returncode, 0)
            stack.hear("READY=1")
            for _ in range(10):
                stack.hear("WATCHDOG=1")
            stack.wait(stack.serves, "not everything runs")
        stack.hear("STOPPING=1")
        stack.listening.close()
        stack.heard.close()


if __name__ == "__main__":
    unittest.main()
