"""What the stack itself costs, without a link: time, instructions, cache lines a segment, memory a connection."""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile

import lab as live
import lines

CORE_CASES = ("64k", "mss", "mss-offload", "mss-alone", "64")
PARTS = lines.PARTS
TIMES = ("send_ns", "receive_ns", "ack_ns")
MEMORY_CASES = ("idle", "talked", "time-wait", "syn-received")


def ask(program, *words, timeout_s=300):
    """Runs the benchmark program in one of its roles; its line of JSON."""
    done = subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise live.Failure(f"{' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


def instructions(program, case, rounds):
    """Instructions of each part, a frame, as callgrind counts them; {} without valgrind."""
    if not shutil.which("valgrind") or not shutil.which("callgrind_annotate"):
        return {}
    warm_up = rounds // 4
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "callgrind.out")
        # The star: where the linker optimises, a part may be called "core_send.constprop.0".
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                   *(f"--toggle-collect={part}*" for part in PARTS), program, "our-core", case,
                   str(rounds), str(warm_up)]
        # Else a long copy is "rep movsb", of which callgrind counts an instruction a byte.
        environment = {**os.environ,
                       "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300, check=False, env=environment)
        if done.returncode != 0:
            return {}
        # The wire makes as many frames in each round; those of the warm-up were counted too.
        frames = json.loads(done.stdout)["frames"] * (rounds + warm_up) / rounds
        told = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", out],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    counts = {}
    for part in PARTS:
        found = re.search(rf"^\s*([\d,]+) .*[:/]{part}\b", told.stdout, re.MULTILINE)
        if found:
            counts[part] = int(found.group(1).replace(",", "")) / frames
    return counts


def times(program, quick):
    """case -> figures of bench/core.c, each the median of five runs (three in a quick one), the cases taking turns"""
    runs = {case: [] for case in CORE_CASES}
    for _ in range(3 if quick else 5):
        for case, found in runs.items():
            rounds = 20000 if case == "64k" else 40000
            found.append(ask(program, "our-core", case, rounds // (4 if quick else 1)))
    return {case: {**found[0], **{key: statistics.median(one[key] for one in found) for key in TIMES}}
            for case, found in runs.items()}


def costs(program, quick):
    """case -> figures of bench/core.c, with instructions and cache lines"""
    found = times(program, quick)
    for case in CORE_CASES:
        found[case]["instructions"] = instructions(program, case, 300 if quick else 1000)
        # Few are enough: once the window is open and buffers go round, one is as the other.
        found[case]["lines"] = {}
        if not quick or case == "mss-alone":
            found[case]["lines"] = lines.lines(program, case, 4 if quick else 10, 20)
    return found


def turnover(program, quick):
    """Connections opened and closed a second when one thread is both ends: ours on a wire, the kernel's."""
    found = {"ours": [], "kernel": []}
    for _ in range(3 if quick else 5):
        for stack, values in found.items():
            values.append(ask(program, "turnover", stack, 0.2 if quick else 1)["per_s"])
    return {stack: statistics.median(values) for stack, values in found.items()}


def memory(program, quick):
    """Bytes of a connection, by its state: ours and the kernel's."""
    count = 100000 if quick else 1000000
    ours = {case: ask(program, "our-memory", case, count)["bytes_each"] for case in MEMORY_CASES}
    return {"connections": count, "ours": ours,
            "kernel": ask(program, "kernel-memory", 4000 if quick else 20000)}
