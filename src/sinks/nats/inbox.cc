#include "sinks/nats/inbox.h"

#include <atomic>
#include <unordered_map>
#include <utility>

namespace deltaforge::sinks::nats {
namespace {

// All that are open.
struct Table {
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::shared_ptr<Inbox>> open;
};

// Never destroyed: the library's threads may outlive main().
Table& table() {
  static Table& all = *new Table();
  return all;
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

Inbox::Inbox(std::function<void()> wake) : id_(next_id()), wake_(std::move(wake)) {}

std::shared_ptr<Inbox> Inbox::make(std::function<void()> wake) {
  std::shared_ptr<Inbox> inbox(new Inbox(std::move(wake)));
  std::lock_guard lock(table().mutex);
  table().open.emplace(inbox->id_, inbox);
  return inbox;
}

std::shared_ptr<Inbox> Inbox::find(std::uint64_t id) {
  std::lock_guard lock(table().mutex);
  const auto found = table().open.find(id);
  return found == table().open.end() ? nullptr : found->second;
}

void Inbox::take(Answer&& answer) {
  std::lock_guard lock(mutex_);
  const bool bad = answer.kind != Ack::Kind::stored && answer.kind != Ack::Kind::duplicate;
  answers_.push_back(std::move(answer));
  if ((bad || answers_.size() == enough_) && wake_) wake_();
}

void Inbox::end(Broken why) {
  std::lock_guard lock(mutex_);
  if (!broken_ || (broken_->kind == ErrorKind::unavailable && why.kind != ErrorKind::unavailable))
    broken_ = std::move(why);
  if (wake_) wake_();
}

void Inbox::collect(std::vector<Answer>& to) {
  to.clear();
  std::lock_guard lock(mutex_);
  answers_.swap(to);
}

void Inbox::wake_after(std::size_t answers) {
  std::lock_guard lock(mutex_);
  enough_ = answers;
  if (answers_.size() >= enough_ && wake_) wake_();
}

std::optional<Broken> Inbox::broken() const {
  std::lock_guard lock(mutex_);
  return broken_;
}

void Inbox::close() {
  {
    std::lock_guard lock(table().mutex);
    table().open.erase(id_);
  }
  std::lock_guard lock(mutex_);
  wake_ = nullptr;
}

}  // namespace deltaforge::sinks::nats
