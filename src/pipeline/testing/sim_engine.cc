#include "pipeline/testing/sim_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "core/event_id.h"
#include "pipeline/state_keys.h"
#include "pipeline/testing/sim_processor.h"
#include "pipeline/testing/sim_sink.h"

namespace deltaforge::pipeline::testing {
namespace {

const TableSchema& sim_schema() {
  static const TableSchema schema{.connector = "sim", .source_id = "sim", .full_name = "t", .columns = {{"n", "int"}}};
  return schema;
}

// What the source says of a row when there is a journal.
void describe(const SimChange& change, Pages& pages, Event& event) {
  const auto image = [&](const std::optional<unsigned>& key) -> Image {
    if (!key) return {};
    const std::span<Value> values = pages.array<Value>(2);
    values[0] = Value::int64(*key);
    values[1] = Value::int64(0);
    return {values, true};
  };
  event.schema = &SimRows::schema(change.table);
  event.op = change.op;
  event.before = image(change.before);
  event.after = image(change.after);
}

std::vector<bool> required_sinks(const SimWorld& world) {
  std::vector<bool> required;
  for (const SimServer& sink : world.sinks) required.push_back(sink.required);
  return required;
}

std::vector<std::string> sink_ids(const SimWorld& world) {
  std::vector<std::string> ids;
  for (const SimServer& sink : world.sinks) ids.push_back(sink.id);
  return ids;
}

}  // namespace

void SimSource::begin(BatchIntake& intake, Position from) {
  intake_ = &intake;
  if (end_of(from) < world_.released_to) world_.broken("the engine starts before what it has released");
  seek(end_of(from));
}

void SimSource::seek(std::uint64_t end) {
  row_ = 0;
  next_ = 0;
  while (next_ < world_.log.size() && world_.log[next_].end <= end) ++next_;
}

void SimSource::step() {
  if (world_.chance(3)) {  // the link is lost, perhaps in the middle of a transaction
    intake_->rollback();
    seek(end_of(intake_->resume_position()));
    return;
  }
  for (unsigned n = 1 + world_.pick(12); n > 0; --n) {
    if (!intake_->room()) return;
    if (next_ == world_.log.size()) {
      if (world_.pick(20) == 0) intake_->idle(Mark::of(SimMark{world_.log.back().end}));  // a keepalive
      intake_->drained();
      return;
    }
    read_one();
  }
  if (row_ == 0 && world_.pick(3) == 0) intake_->drained();
}

// One row, or the commit behind the last one.
void SimSource::read_one() {
  const SimTransaction& transaction = world_.log[next_];
  if (row_ < transaction.rows) {
    Event& event = intake_->event();
    event.schema = &sim_schema();
    event.ordinal = ++row_;
    if (world_.rows != nullptr) describe(world_.rows->change({transaction.end, row_}), intake_->pages(), event);
    if (event.total_order != row_) world_.broken("total_order does not count the rows of the transaction");
    return;
  }
  if (transaction.rows == 0 && world_.pick(2) == 0)
    intake_->idle(Mark::of(SimMark{transaction.end}));
  else
    intake_->commit(Mark::of(SimMark{transaction.end}),
                    {.ts_us = static_cast<std::int64_t>(transaction.end),
                     .id_hash = transaction_hash("sim", "1", std::to_string(transaction.end))});
  row_ = 0;
  ++next_;
}

SimEngine::SimEngine(SimWorld& world, SimStore& store, SimClock& clock, const BatchOptions& batch,
                     const CommitPolicy& policy, Journal* journal)
    : world_(world),
      store_(store),
      journal_(journal),
      clock_(clock),
      source_(world),
      algebra_(source_.positions()),
      codec_(algebra_, "sim", 1),
      starts_(store, codec_, algebra_, "sim"),
      ledger_(world.sinks.size(), algebra_, CommitRule(policy, required_sinks(world)), clock),
      budget_(batch.memory_bytes.count),
      replays_(std::string()),
      pool_(4 + world.pick(6), budget_, wake_),
      cut_(pool_.count()),
      transform_({.in = cut_,
                  .lanes = lanes_,
                  .algebra = algebra_,
                  .clock = clock,
                  .probe = BatchProbe("sim", "sim"),
                  .trouble =
                      [this](const std::optional<std::string>& why) {
                        if (why && !transform_.is_full()) transform_waits();
                      }}),
      intake_({.pool = pool_,
               .budget = budget_,
               .wake = wake_,
               .out = cut_,
               .pushed = [] {},
               .downstream_idle = [this] { return transform_.empty(); },
               .algebra = algebra_,
               .clock = clock},
              batch),
      checkpointer_({.ledger = ledger_,
                     .store = store,
                     .codec = codec_,
                     .algebra = algebra_,
                     .release = [this](const Position& position) { source_.release(position); },
                     .source_id = "sim",
                     .sink_ids = sink_ids(world),
                     .on_stored = [] {}}) {
  for (std::size_t i = 0; i < world.sinks.size(); ++i) {
    SimServer& server = world.sinks[i];
    server.refused.reset();  // a new engine begins with whole transactions
    SinkMaker maker;
    maker.type = "sim";
    maker.id = server.id;
    maker.required = server.required;
    maker.build = [&world, &server](const SinkContext&) { return std::make_unique<SimSink>(world, server); };
    lanes_.push_back(
        std::make_unique<Lane>(Lane::Parts{.index = i,
                                           .maker = maker,
                                           .context = {},
                                           .algebra = algebra_,
                                           .codec = codec_,
                                           .ledger = ledger_,
                                           .clock = clock,
                                           .probe = LaneProbe("sim", server.id, server.required),
                                           .freed = [] {},
                                           .retired = [] {},
                                           .rejoin = [] {},
                                           .opened = [] {},
                                           .seed = world.pick(1000),
                                           .desk = make_desk({false, server.id}),
                                           .sent = std::make_unique<Sent>(store, sink_key("sim", server.id), algebra_)},
                               static_cast<std::size_t>(batch.max_inflight)));
  }
  if (journal_ == nullptr) return;
  add_processors();
  journal_->on_change([this] {
    for (auto& lane : lanes_) lane->note_change();
    transform_.note_change();
  });
}

SimEngine::~SimEngine() {
  if (journal_ != nullptr) journal_->on_change({});
}

std::unique_ptr<Desk> SimEngine::make_desk(Stage stage) {
  if (journal_ == nullptr) return nullptr;
  return std::make_unique<Desk>(Desk::Parts{*journal_, replays_, std::move(stage), algebra_, codec_});
}

void SimEngine::add_processors() {
  for (std::size_t i = 0; i < world_.rows->processors().size(); ++i) {
    const std::string& id = world_.rows->processors()[i];
    ProcessorContext context{"sim", "", [this, i](const Batch& batch, std::uint32_t event, std::string reason) {
                               transform_.set_aside(i, batch, event, std::move(reason));
                             }};
    transform_.add(
        {std::make_unique<SimProcessor>(*world_.rows, id, context), make_desk({true, id}), ProcessorProbe("sim", id)});
  }
}

void SimEngine::transform_waits() {
  transform_.bell().ring();  // the clock is not the real one
  for (unsigned n = world_.pick(20); n > 0; --n) {
    clock_.advance(std::chrono::milliseconds(1 + world_.pick(400)));
    step_a_lane();
    if (meanwhile) meanwhile();
  }
  if (world_.pick(world_.faults ? 30 : 3) == 0)
    throw Error(ErrorKind::unavailable, "simulated: stopped while it waits");
}

void SimEngine::step_a_lane() { lanes_[world_.pick(static_cast<unsigned>(lanes_.size()))]->step(); }

std::optional<std::string> SimEngine::replay(const DeadLetter& letter, Answer done) {
  if (!replaying_.insert(letter.seq).second) return "it is on its way already";
  const auto answer = [this, seq = letter.seq, done = std::move(done)](const ReplayResult& result) {
    std::optional<std::string> failure;
    if (!result.taken || !result.refused.empty()) failure = result.why;
    try {
      if (!failure) journal_->drop(seq);
    } catch (const Error& error) {
      failure = error.what();
    }
    replaying_.erase(seq);
    done(std::move(failure));
  };
  const std::string_view kept = letter.kept;
  BatchPtr batch = replays_.make({&kept, 1});
  const auto lane = std::ranges::find(lanes_, letter.why.stage.id, [](const auto& each) { return each->id(); });
  std::optional<std::string> problem;
  if (!journal_->holds(letter.why.stage, letter.event_id))
    problem = "it has left the journal meanwhile";
  else if (!letter.why.stage.is_processor)
    (*lane)->replay({.batch = BatchRef(std::move(batch)), .orders = {letter.why.order}, .done = answer});
  else
    transform_.replay(letter.why.stage.id, std::move(batch), letter.why.order, letter.why.position, answer);
  if (problem) replaying_.erase(letter.seq);
  return problem;
}

void SimEngine::prepare_start() {
  for (const auto& lane : lanes_)
    if (lane->holds_position() && !lane->opened()) return;
  std::vector<StartPositions::SinkState> sinks;
  for (const auto& lane : lanes_) sinks.push_back({lane->id(), lane->holds_position(), lane->held()});
  std::vector<Position> positions = starts_.find(sinks);
  Position meet = positions[0];
  for (const Position& position : positions) meet = algebra_.meet(meet, position);
  if (meet.empty()) {  // first run
    meet = sim_position(world_.log.front().end - 1);
    starts_.begin_at(meet, sink_ids(world_));
    for (Position& position : positions) position = meet;
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    ledger_.begin(i, positions[i]);
    lanes_[i]->begin(positions[i]);
  }
  transform_.begin(meet);
  intake_.begin_at(meet);
  for (const SimServer& server : world_.sinks)
    intake_.repeat(read_stretches(store_, sink_key("sim", server.id)), "sim");
  source_.begin(intake_, meet);
  started_ = true;
}

void SimEngine::step() {
  switch (world_.pick(9)) {
    case 0:
    case 1:
      if (started_)
        source_.step();
      else
        prepare_start();
      break;
    case 2:
    case 3: transform_.step(); break;
    case 4:
    case 5:
    case 6: step_a_lane(); break;
    case 7: try { checkpointer_.step();
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::storage) throw;
      }
      break;
    case 8:
      clock_.advance(std::chrono::milliseconds(1 + world_.pick(400)));
      if (world_.chance(3) || paused_) {
        paused_ = !paused_;
        intake_.pause(paused_);
      }
      break;
  }
}

bool SimEngine::finished() const {
  return started_ && source_.at_end() && transform_.empty() && ledger_.clean() &&
         std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->empty() && !lane->detached(); }) &&
         world_.released_to == world_.log.back().end;
}

bool SimEngine::wants_rejoin() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->wants_rejoin(); });
}

std::string SimEngine::describe() const {
  std::string text =
      fmt::format("started {}, source at end {}, transform empty {}, ledger clean {}, released {} of {}", started_,
                  source_.at_end(), transform_.empty(), ledger_.clean(), world_.released_to, world_.log.back().end);
  for (const auto& lane : lanes_)
    text += fmt::format("; {}: empty {}, detached {}, opened {}, trouble {}", lane->id(), lane->empty(),
                        lane->detached(), lane->opened(), lane->trouble().value_or("none"));
  return text;
}

bool SimEngine::leaks() const { return pool_.outstanding() > 1; }  // one may be open

}  // namespace deltaforge::pipeline::testing
