// The pipeline's core under a seeded scheduler: crashes, restarts, lost links, lost answers, full disks, sinks that are
// away. DF_SIM_SEEDS says how many seeds (default 400; ./dev e2e --full runs 10,000), DF_SIM_FIRST where to begin.
// A failure prints its seed; `DF_SIM_FIRST=<seed> DF_SIM_SEEDS=1` repeats it exactly, DF_SIM_TRACE=1 shows what
// happens.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "base/error.h"
#include "obs/log.h"
#include "pipeline/testing/plain_encoder.h"
#include "pipeline/testing/sim_engine.h"
#include "pipeline/testing/sim_operator.h"

namespace deltaforge::pipeline::testing {
namespace {

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

struct Totals {
  std::uint64_t duplicates = 0, crashes = 0, restarts = 0, same = 0, rows = 0, kept = 0, parked = 0, replayed = 0,
                given_up = 0;
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

// What differs between the two worlds.
struct Game {
  SimWorld& world;
  std::function<std::unique_ptr<SimEngine>()> start;
  std::function<bool(SimEngine&)> finished;
  std::function<void(SimEngine&)> beside;  // what happens besides, each step
  std::function<void()> crashed, end_of_faults;
  std::function<std::string()> describe;
};

void play(const Game& game) {
  SimWorld& world = game.world;
  auto engine = game.start();
  const unsigned faulty_steps = 400 + world.pick(3000);
  for (unsigned step = 0; !game.finished(*engine); ++step) {
    if (step > 400'000) world.broken("the engine hangs: " + engine->describe() + game.describe());
    if (step == faulty_steps) {
      world.faults = false;
      for (SimServer& sink : world.sinks) sink.down = false;
      game.end_of_faults();
    }
    if (world.chance(1)) {
      SimServer& sink = world.sinks[world.pick(static_cast<unsigned>(world.sinks.size()))];
      sink.down = !sink.down;
    }
    bool crash = world.faults && world.pick(300) == 0;
    bool restart = engine->wants_rejoin();
    try {
      engine->step();
      game.beside(*engine);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::storage && error.kind() != ErrorKind::unavailable)
        world.broken(std::string("the run failed: ") + error.what());
      restart = true;
    }
    world.crashes += crash;
    world.restarts += restart;
    if (crash || restart) {
      world.trace("{}", crash ? "crash" : "restart");
      engine.reset();
      game.crashed();
      engine = game.start();
    }
  }
  world.check_complete();
  if (engine->leaks()) world.broken("a batch is still held though everything is delivered");
}

void add_up(const SimWorld& world, Totals& totals) {
  totals.duplicates += world.duplicates;
  totals.crashes += world.crashes;
  totals.restarts += world.restarts;
  totals.same += world.same;
}

void play_without_journal(unsigned seed, Totals& totals) {
  SimWorld world(seed);
  SimStore store(world);
  SimClock clock;
  CommitPolicy policy = random_policy(world);
  play({.world = world,
        .start = [&] { return std::make_unique<SimEngine>(world, store, clock, random_batch(world), policy); },
        .finished = [](SimEngine& engine) { return engine.finished(); },
        .beside = [](SimEngine&) {},
        .crashed = [] {},
        .end_of_faults = [] {},
        .describe = [] { return std::string(); }});
  add_up(world, totals);
  for (const SimServer& sink : world.sinks) totals.rows += sink.rows.size();
}

// Nothing is ever thrown away: other policies may do that.
JournalOptions random_journal(SimWorld& world) {
  JournalOptions journal;
  journal.enabled = true;
  journal.dlq.max_age_secs = 0;
  journal.dlq.park_keys = world.rows->parks;
  // A processor that waits for room cannot take a replay meanwhile: there only acknowledging helps.
  if (world.pick(2) == 0 && world.rows->processors().empty()) {
    journal.dlq.overflow_policy = Overflow::block;
    journal.dlq.max_entries = 1 + world.pick(12);
  }
  if (world.rows->parks && world.pick(2) == 0) journal.dlq.park_max_entries = 1 + world.pick(40);
  return journal;
}

void play_with_journal(unsigned seed, Totals& totals) {
  SimWorld world(seed);
  SimStore store(world);
  SimClock clock;
  SimRows rows(world, store);
  world.rows = &rows;
  Journal journal(random_journal(world), "sim", store, std::make_unique<testing::PlainEncoder>(), clock);
  SimOperator hand(world, rows, journal);
  const CommitPolicy policy = random_policy(world);
  play({.world = world,
        .start =
            [&] {
              auto engine = std::make_unique<SimEngine>(world, store, clock, random_batch(world), policy, &journal);
              engine->meanwhile = [&, made = engine.get()] { hand.step(*made); };
              return engine;
            },
        .finished =
            [&](SimEngine& engine) { return journal.count() == 0 && journal.parked_count() == 0 && engine.finished(); },
        .beside =
            [&](SimEngine& engine) {
              if (world.pick(20) == 0) hand.step(engine);
            },
        .crashed =
            [&] {
              rows.fault();
              hand.crashed();
            },
        .end_of_faults = [&] { rows.mend_all(); },
        .describe = [&] { return "; " + hand.describe(); }});
  add_up(world, totals);
  totals.rows += rows.sums().rows;
  totals.kept += rows.sums().kept;
  totals.parked += rows.sums().parked;
  totals.replayed += rows.sums().replayed;
  totals.given_up += rows.sums().given_up;
}

void run_seeds(Totals& totals, unsigned& count, void (*one)(unsigned, Totals&)) {
  obs::configure_log(obs::Level::error, obs::Format::text);
  const unsigned first = from_environment("DF_SIM_FIRST", 1);
  count = from_environment("DF_SIM_SEEDS", 400);
  for (unsigned seed = first; seed < first + count; ++seed) {
    try {
      one(seed, totals);
    } catch (const std::exception& error) {
      FAIL() << "seed " << seed << ": " << error.what();
    }
  }
}

TEST(Simulation, KeepsEveryPromiseUnderEveryFault) {
  Totals totals;
  unsigned count = 0;
  ASSERT_NO_FATAL_FAILURE(run_seeds(totals, count, play_without_journal));
  std::printf("%u seeds: %lu rows, %lu crashes, %lu restarts, %lu repeated rows, %lu deliveries as before\n", count,
              static_cast<unsigned long>(totals.rows), static_cast<unsigned long>(totals.crashes),
              static_cast<unsigned long>(totals.restarts), static_cast<unsigned long>(totals.duplicates),
              static_cast<unsigned long>(totals.same));
  EXPECT_GT(totals.rows, 0u);
  if (count >= 100) {
    EXPECT_GT(totals.crashes, 0u);
    EXPECT_GT(totals.same, 0u);
    EXPECT_GT(totals.duplicates, 0u) << "no row was ever repeated: the simulation does not test recovery";
  }
}

// Half of the worlds have park_keys.
TEST(Simulation, WithAJournalNothingIsLost) {
  Totals totals;
  unsigned count = 0;
  ASSERT_NO_FATAL_FAILURE(run_seeds(totals, count, play_with_journal));
  std::printf(
      "%u seeds: %lu rows, %lu dead letters, %lu parked, %lu replayed, %lu given up, %lu crashes, %lu repeated rows\n",
      count, static_cast<unsigned long>(totals.rows), static_cast<unsigned long>(totals.kept),
      static_cast<unsigned long>(totals.parked), static_cast<unsigned long>(totals.replayed),
      static_cast<unsigned long>(totals.given_up), static_cast<unsigned long>(totals.crashes),
      static_cast<unsigned long>(totals.duplicates));
  if (count < 100) return;
  for (const std::uint64_t each : {totals.kept, totals.parked, totals.replayed, totals.given_up, totals.duplicates})
    EXPECT_GT(each, 0u) << "the simulation does not test what it should";
}

}  // namespace
}  // namespace deltaforge::pipeline::testing
