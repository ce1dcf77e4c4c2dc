#!/usr/bin/env python3
"""Shows that the simulation of the pipeline's core finds faults: each one below is planted into a copy of the sources,
built, and must be found within a few hundred seeds. Prints a line a fault; exit 1 when one survives.

Usage: tools/planted_faults.py [--seeds N] [--work DIR] [name ...]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name, file below src/pipeline, what stands there, what is planted
FAULTS = [
    ("forget a mark", "lane.cc",
     "if (!all_covered) parts_.algebra.advance(delivery.after, batch.marks());",
     "if (!all_covered) parts_.algebra.advance(delivery.after, batch.marks().first(batch.marks().size() - 1));"),
    ("release before the position is stored", "checkpointer.cc",
     "  pending_ = true;\n  write();",
     "  pending_ = true;\n  if (!moved_[0].empty()) parts_.source.release(moved_[0]);\n  write();"),
    ("release for the first sink alone", "ledger.cc",
     "release_ = algebra_.meet(release_, entries_[i].durable);", "(void)i;"),
    ("skip the tail of a batch that was partly delivered", "lane.cc",
     "if (parts_.algebra.covers(base, commit.mark)) continue;",
     "if (parts_.algebra.covers(base, commit.mark)) break;"),
    ("send what the sink already has", "lane.cc",
     "if (parts_.algebra.covers(base, commit.mark)) continue;", ""),
    ("reorder a retry", "lane.cc",
     "for (std::size_t i = 0; i < used_; ++i) slot(i).state = State::unsent;",
     "if (used_ > 0) slot(used_ - 1).state = State::unsent;\n  for (std::size_t i = 0; i + 1 < used_; ++i) "
     "if (slot(i).state == State::sending && i % 2 == 0) slot(i).state = State::unsent;"),
    ("retire before the ones in front", "lane.cc",
     "while (used_ > 0 && slot(0).state == State::delivered) {",
     "while (used_ > 0 && (slot(0).state == State::delivered || (used_ > 1 && slot(1).state == State::delivered))) {"),
    ("cut inside a transaction", "intake.cc",
     "bool BatchIntake::room() {\n  parts_.wake.clear();",
     "bool BatchIntake::room() {\n  parts_.wake.clear();\n"
     "  if (in_transaction_ && open_->size() > 10) commit(Mark(), TransactionInfo{});"),
    ("keep the rows of a lost link", "intake.cc",
     "  open_->truncate_events(committed_events_);\n", ""),
    ("resume after a row instead of after a commit", "intake.cc",
     "if (has_commits() && !position.empty()) parts_.algebra.advance(position, std::as_const(*open_).marks());", ""),
    ("believe answers of a sink that was given up", "lane.cc",
     "    if (answer.generation != generation_) continue;  // of a sink that was given up\n", ""),
    ("let a row pass a refused one", "lane.cc",
     "    if (next.begun && next.state != State::delivered) return;  // nothing passes a refused row\n", ""),
    ("leave out what stands behind a refused row", "lane.cc",
     "  ranges.front().first = reject.event;\n", "  ranges = {{reject.event, reject.event + 1}};\n"),
    ("send again what was delivered before a refused row", "lane.cc",
     "  ranges.front().first = reject.event;\n", ""),
    ("forget that a batch was begun when a new sink is opened", "lane.cc",
     "    if (!slot(i).begun) prepare(", "    prepare("),
]


def build(work: pathlib.Path) -> bool:
    result = subprocess.run(["ninja", "-C", str(work / "build"), "pipeline_test"], capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stdout[-3000:])
    return result.returncode == 0


def simulate(work: pathlib.Path, seeds: int) -> tuple[bool, str]:
    env = dict(os.environ, DF_SIM_SEEDS=str(seeds))
    try:
        result = subprocess.run([str(work / "build/src/pipeline/pipeline_test"), "--gtest_filter=Simulation.*"],
                                capture_output=True, text=True, env=env, timeout=300)
    except subprocess.TimeoutExpired:
        return False, "no end within 300 s"
    why = next((line for line in (result.stdout + result.stderr).splitlines()
                if line.startswith("seed ") or "broken invariant" in line), f"exit {result.returncode}")
    return result.returncode == 0, why


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "planted")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    work = args.work.resolve()
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for entry in ("CMakeLists.txt", "cmake", "src"):
        source = ROOT / entry
        shutil.copytree(source, tree / entry) if source.is_dir() else shutil.copy2(source, tree / entry)
    subprocess.run(["cmake", "-S", str(tree), "-B", str(work / "build"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                    "-DCMAKE_CXX_FLAGS_DEBUG=-O1"], check=True, capture_output=True)

    if not build(work):
        print("the unchanged tree does not build")
        return 1
    passed, why = simulate(work, args.seeds)
    if not passed:
        print(f"the unchanged tree is red: {why}")
        return 1
    survivors = 0
    faults = [fault for fault in FAULTS if not args.names or fault[0] in args.names]
    for name, file, old, new in faults:
        path = tree / "src" / "pipeline" / file
        text = path.read_text()
        if text.count(old) != 1:
            print(f"NOT PLANTED  {name}: {file} holds its place {text.count(old)} times")
            survivors += 1
            continue
        path.write_text(text.replace(old, new))
        if not build(work):
            print(f"NOT BUILT    {name}")
            survivors += 1
        else:
            passed, why = simulate(work, args.seeds)
            print(f"{'SURVIVED ' if passed else 'found    '}    {name}" + ("" if passed else f": {why}"), flush=True)
            survivors += passed
        path.write_text(text)
    print(f"{len(faults) - survivors} of {len(faults)} planted faults found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
