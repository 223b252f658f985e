"""What chaos does to the stack: one table, a row for each kind of event.

An event is a function of the driver (what it acts through) and of a source of randomness that is this event's own, so
that the same seed makes the same events at the same moments with the same choices. It returns one line that says what
it did, or None when there was nothing to do it to. It never waits: what takes time goes on by driver.later().

SPDX-License-Identifier: MIT
"""
import collections
import os
import signal
import subprocess

from stack import BIN, ROOT, alive

# How many seconds there are between two events of a kind, on the average. A roll comes in the first part of its minute,
# so that a run of a minute sees the end of it.
PACE = {"kill": 1, "disturb": 4, "roll": 60}
PART = {"kill": 1.0, "disturb": 1.0, "roll": 0.5}

LONGEST_STOP = {"worker": 4.0, "broker": 1.5}   # seconds; a worker's lies beyond its compute_timeout, see chaos
LOOK_AGAIN = 0.05
ROLL_PATIENCE = 30                              # seconds for one worker's successor
COMMAND_PATIENCE = 120

# Seconds between two events that take a frontend away. nginx sends a request a second time, not a third, and with a worker
# that is stopped a request is with its frontend for that long; that two frontends die with the same request is another
# promise than ours.
APART = 8

Event = collections.namedtuple("Event", "name kind weight act needs takes_frontends", defaults=("", False))


def of(stack, prefix):
    """[(name, pid)] of the processes called `prefix`, or `prefix.` and more."""
    return [(name, pid) for name, pid in stack.recorded().items() if (name + ".").startswith(prefix + ".")]


def send(pid, number):
    """False when it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def signal_one(prefix, number):
    """An event that sends a signal to one of the processes of that name."""
    def act(driver, random):
        found = of(driver.stack, prefix)
        if not found:
            return None
        name, pid = random.choice(found)
        return f"{signal.Signals(number).name} to {name} ({pid})" if send(pid, number) else None
    return act


def kill_supervisor(driver, _):
    pid = driver.stack.supervisor.pid
    driver.stack.kill_supervisor()
    return f"SIGKILL to the supervisor ({pid}), started again as {driver.stack.supervisor.pid}"


def hold(prefix):
    """An event that stops one of these processes and lets it go on after a while."""
    def act(driver, random):
        seconds = random.uniform(0.05, LONGEST_STOP[prefix])
        found = of(driver.stack, prefix)
        if not found:
            return None
        name, pid = random.choice(found)
        if not send(pid, signal.SIGSTOP):
            return None
        driver.later(seconds, lambda: send(pid, signal.SIGCONT))
        return f"SIGSTOP to {name} ({pid}) for {seconds:.2f} s"
    return act


def reload(driver, _):
    send(driver.stack.supervisor.pid, signal.SIGHUP)
    return "SIGHUP to the supervisor"


def command(*arguments):
    """An event that runs `outrigger ARGUMENTS` beside everything else, and notes when it fails."""
    def act(driver, _):
        process = subprocess.Popen([BIN / "outrigger", *arguments, *driver.stack.arguments()], cwd=ROOT,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        driver.children.append(process)

        def look(left=COMMAND_PATIENCE):
            if process.poll() is None and left > 0:
                driver.later(LOOK_AGAIN, lambda: look(left - LOOK_AGAIN))
            elif process.poll() is None:
                driver.note(f"outrigger {' '.join(arguments)} does not end")
            elif process.returncode != 0:
                driver.note(f"outrigger {' '.join(arguments)}: {process.stderr.read().strip()[-300:]}")
        look()
        return f"outrigger {' '.join(arguments)}"
    return act


def roll(driver, _):
    """Every worker is told to end, one after the other, each when the one before has its successor."""
    waiting = [name for name, _ in of(driver.stack, "worker")]

    def step(name=None, old=0, left=ROLL_PATIENCE):
        pid = driver.stack.recorded().get(name)
        if name is not None and (pid in (None, old) or not running(driver.stack, name, pid)) and left > 0:
            driver.later(LOOK_AGAIN, lambda: step(name, old, left - LOOK_AGAIN))
            return
        if not waiting:
            driver.note("all workers were rolled")
            return
        following = waiting.pop(0)
        pid = driver.stack.recorded().get(following, 0)
        if pid:
            send(pid, signal.SIGTERM)
        driver.later(LOOK_AGAIN, lambda: step(following, pid))
    step()
    return f"a roll of {len(waiting) + 1} workers"


def running(stack, name, pid):
    try:
        process = stack.process(name)
    except (OSError, ValueError):   # the supervisor is away
        return False
    return process is not None and process["pid"] == pid and process["state"] == "running" and alive(pid)


# `takes_frontends`: requests that are with a frontend may be sent again by the web server.
# `needs`: the web server without which a client sees what the event does. Apache and Caddy do not send a request again
# when the frontend that had it is killed (its body is gone), so that one is an honest 503 or 502 behind them.
EVENTS = (
    Event("worker", "kill", 4, signal_one("worker", signal.SIGKILL)),
    Event("broker", "kill", 2, signal_one("broker", signal.SIGKILL)),
    Event("collector", "kill", 1, signal_one("collector", signal.SIGKILL)),
    Event("supervisor", "kill", 1, kill_supervisor, takes_frontends=True),
    Event("frontend", "kill", 2, signal_one("frontend", signal.SIGKILL), needs="nginx", takes_frontends=True),
    Event("stop-worker", "disturb", 3, hold("worker")),
    Event("stop-broker", "disturb", 1, hold("broker")),
    Event("reload", "disturb", 1, reload),
    Event("reload-command", "disturb", 1, command("reload")),
    Event("restart-worker", "disturb", 1, signal_one("worker", signal.SIGTERM)),
    Event("restart-broker", "disturb", 1, signal_one("broker", signal.SIGTERM)),
    Event("restart-collector", "disturb", 1, signal_one("collector", signal.SIGTERM)),
    Event("restart-frontend", "disturb", 1, signal_one("frontend", signal.SIGTERM), takes_frontends=True),
    Event("roll", "roll", 1, roll),
)


def chosen(names, web):
    """(rows of the table, names left out because of the web server). names: None for all that this web server bears."""
    if names is None:
        return ([event for event in EVENTS if event.needs in ("", web)],
                [event.name for event in EVENTS if event.needs not in ("", web)])
    unknown = set(names) - {event.name for event in EVENTS}
    if unknown:
        raise SystemExit(f"chaos: there are no events {', '.join(sorted(unknown))}; there are "
                         f"{', '.join(event.name for event in EVENTS)}")
    return [event for event in EVENTS if event.name in names], []


def schedule(events, seconds, random):
    """[(at, event, seed of its own)], in order: for each kind one event at a random moment of each of its periods."""
    moments = []
    for kind, pace in PACE.items():
        for period in range(int(seconds / pace)):
            # Drawn whether it is needed or not: leaving a kind out leaves the others as they are.
            at = (period + random.random() * PART[kind]) * pace
            moments.append((at, kind, random.random(), random.getrandbits(32)))
    planned, free_at = [], 0.0
    for at, kind, pick, seed in sorted(moments):
        rows = [event for event in events if event.kind == kind and (at >= free_at or not event.takes_frontends)]
        if rows:
            event = pick_by_weight(rows, pick)
            planned.append((at, event, seed))
            free_at = at + APART if event.takes_frontends else free_at
    return planned


def pick_by_weight(rows, pick):
    at = pick * sum(event.weight for event in rows)
    for event in rows:
        at -= event.weight
        if at < 0:
            return event
    return rows[-1]
