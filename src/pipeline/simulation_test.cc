// The pipeline's core under a seeded scheduler: crashes, restarts, lost links, lost answers, full disks, sinks that are
// away. DF_SIM_SEEDS says how many seeds (default 400; ./dev e2e --full runs 10,000), DF_SIM_FIRST where to begin.
// A failure prints its seed; `DF_SIM_FIRST=<seed> DF_SIM_SEEDS=1` repeats it exactly.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "obs/log.h"
#include "pipeline/testing/sim_engine.h"

namespace deltaforge::pipeline::testing {
namespace {

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

struct Totals {
  std::uint64_t duplicates = 0, crashes = 0, restarts = 0, rows = 0;
};

BatchOptions random_batch(SimWorld& world) {
  BatchOptions batch;
  batch.max_events = 1 + world.pick(20);
  batch.max_inflight = 1 + world.pick(3);
  batch.max_ms.count = 1 + world.pick(200);
  batch.memory_bytes.count = (1 + world.pick(8)) * PageBudget::kPageSize;
  return batch;
}

CommitPolicy random_policy(SimWorld& world) {
  CommitPolicy policy;
  policy.mode = static_cast<CommitMode>(world.pick(3));
  if (policy.mode == CommitMode::quorum) policy.quorum = 1 + world.pick(static_cast<unsigned>(world.sinks.size()));
  return policy;
}

void play(unsigned seed, Totals& totals) {
  SimWorld world(seed);
  SimStore store(world);
  SimClock clock;
  CommitPolicy policy = random_policy(world);
  auto start = [&] { return std::make_unique<SimEngine>(world, store, clock, random_batch(world), policy); };
  auto engine = start();
  const unsigned faulty_steps = 400 + world.pick(3000);
  for (unsigned step = 0; !engine->finished(); ++step) {
    if (step > 400'000) world.broken("the engine hangs: " + engine->describe());
    if (step == faulty_steps) {
      world.faults = false;
      for (SimServer& sink : world.sinks) sink.down = false;
    }
    if (world.chance(1)) {
      SimServer& sink = world.sinks[world.pick(static_cast<unsigned>(world.sinks.size()))];
      sink.down = !sink.down;
    }
    bool crash = world.faults && world.pick(300) == 0;
    bool restart = engine->wants_rejoin();
    try {
      engine->step();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::storage && error.kind() != ErrorKind::unavailable)
        world.broken(std::string("the run failed: ") + error.what());
      restart = true;
    }
    world.crashes += crash;
    world.restarts += restart;
    if (crash || restart) {
      engine.reset();
      engine = start();
    }
  }
  world.check_complete();
  if (engine->leaks()) world.broken("a batch is still held though everything is delivered");
  totals.duplicates += world.duplicates;
  totals.crashes += world.crashes;
  totals.restarts += world.restarts;
  for (const SimServer& sink : world.sinks) totals.rows += sink.rows.size();
}

TEST(Simulation, KeepsEveryPromiseUnderEveryFault) {
  obs::configure_log(obs::Level::error, obs::Format::text);
  const unsigned first = from_environment("DF_SIM_FIRST", 1), count = from_environment("DF_SIM_SEEDS", 400);
  Totals totals;
  for (unsigned seed = first; seed < first + count; ++seed) {
    try {
      play(seed, totals);
    } catch (const std::exception& error) {
      FAIL() << "seed " << seed << ": " << error.what();
    }
  }
  std::printf("%u seeds: %lu rows, %lu crashes, %lu restarts, %lu repeated rows\n", count,
              static_cast<unsigned long>(totals.rows), static_cast<unsigned long>(totals.crashes),
              static_cast<unsigned long>(totals.restarts), static_cast<unsigned long>(totals.duplicates));
  EXPECT_GT(totals.rows, 0u);
  if (count >= 100) {
    EXPECT_GT(totals.crashes, 0u);
    EXPECT_GT(totals.duplicates, 0u) << "no row was ever repeated: the simulation does not test recovery";
  }
}

}  // namespace
}  // namespace deltaforge::pipeline::testing
