"""What a captured call costs beside the bare client, as a ratio to the least that one span can cost.

`python benchmarks/calls.py [PEER ...]` measures this package, and those others by name that are installed
beside it. Contestants alternate in blocks within one process; a figure is the median over rounds
of (block - bare block) in process CPU time of all threads, delivery included. The floor is one SDK span by hand with
the same attributes, and with content on the JSON of the messages too. Quote ratios only: machines are noisy.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time

import contestants
import thin
import workloads


def measure(workload, content, kinds, rounds):
    """Extra CPU of one run of the workload, in microseconds, by the name of the contestant."""
    taking_part = [kind(content) for kind in (contestants.Bare, contestants.Floor, contestants.Ours, *kinds)]
    clients = workloads.clients()
    spent = {contestant.name: [] for contestant in taking_part}
    for number in range(rounds + 3):
        for contestant in random.sample(taking_part, len(taking_part)):
            took = _block(contestant, workload, clients)
            if number >= 3:
                spent[contestant.name].append(took)
        gc.collect()
    for contestant in taking_part:
        contestant.close()
    clients.loop.close()
    bare = spent.pop("bare")
    return {
        name: statistics.median(mine - without for mine, without in zip(figures, bare, strict=True))
        for name, figures in spent.items()
    }


def _block(contestant, workload, clients):
    contestant.on()
    begin = time.process_time()
    for _ in range(workload.per_block):
        workload.run(clients, contestant.step)
    contestant.settle()
    took = time.process_time() - begin
    contestant.off()
    return took / workload.per_block * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("peers", nargs="*", help="; ".join(peer.name for peer in contestants.PEERS))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="", help="workloads whose name has this in it")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each row")
    asked = parser.parse_args()
    kinds = [peer for peer in contestants.PEERS if peer.name in asked.peers]
    unknown = set(asked.peers) - {peer.name for peer in kinds}
    if unknown:
        parser.error(f"nobody knows {', '.join(sorted(unknown))}")
    thin.make_thin()
    names = [contestants.Ours.name, *(kind.name for kind in kinds)]
    if not asked.json:
        print(f"{'extra CPU, as a ratio to the floor':<40}{'floor us':>10}" + "".join(f"{name:>15}" for name in names))
    for workload in workloads.WORKLOADS:
        for content in (False, True):
            if asked.only in workload.name:
                _row(workload, content, kinds, names, asked)


def _row(workload, content, kinds, names, asked):
    extra = measure(workload, content, kinds, asked.rounds)
    label = f"{workload.name}, content {'on' if content else 'off'}"
    least = extra["floor"]
    if asked.json:
        print(json.dumps({"workload": label, **extra}), flush=True)
    else:
        each = least / workload.spans
        print(f"{label:<40}{each:>10.0f}" + "".join(f"{extra[name] / least:>15.2f}" for name in names), flush=True)


if __name__ == "__main__":
    sys.exit(main())
