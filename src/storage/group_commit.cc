#include "storage/group_commit.h"

#include <utility>

#include "base/error.h"
#include "obs/log.h"

namespace deltaforge::storage {

GroupCommit::GroupCommit(std::string path, std::unique_ptr<Connection> connection, Open reopen)
    : path_(std::move(path)),
      connection_(std::move(connection)),
      reopen_(std::move(reopen)),
      errors_(obs::Metrics::instance().counter("deltaforge_state_write_errors_total", {})),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

void GroupCommit::write(const Work& work) {
  Job job{work};
  std::unique_lock lock(mutex_);
  queue_.push_back(&job);
  queued_.notify_one();
  done_.wait(lock, [&] { return job.done; });
  if (job.failure) std::rethrow_exception(job.failure);
}

void GroupCommit::run(std::stop_token stop) {
  std::vector<Job*> group;
  std::unique_lock lock(mutex_);
  while (queued_.wait(lock, stop, [this] { return !queue_.empty(); })) {
    group.swap(queue_);
    lock.unlock();
    const std::exception_ptr failure = commit(group);
    lock.lock();
    for (Job* job : group) {
      job->failure = failure;
      job->done = true;
    }
    group.clear();
    done_.notify_all();
  }
}

std::exception_ptr GroupCommit::commit(const std::vector<Job*>& group) {
  try {
    if (!connection_) connection_ = reopen_();
    if (connection_->file_was_replaced())
      throw Error(ErrorKind::storage, "writing the state database " + path_ + ": it was removed or replaced meanwhile",
                  "restart, and leave the state directory alone while the engine runs");
    connection_->run("BEGIN IMMEDIATE");
    for (Job* job : group) job->work(*connection_);
    connection_->run("COMMIT");
    if (early_ > 0) {
      --early_;
      connection_->query("PRAGMA wal_checkpoint(PASSIVE)").step();
    }
    if (std::exchange(failing_, false)) obs::info("the state database can be written again", {{"path", path_}});
    return nullptr;
  } catch (const std::exception& error) {
    failed(error);
    return std::current_exception();
  }
}

// Closing rolls back. A handle whose write or fsync failed is never used again: the kernel may have dropped what it
// could not write, and would report success the next time.
void GroupCommit::failed(const std::exception& error) {
  connection_.reset();
  failing_ = true;
  errors_.add();
  obs::log_limited(obs::Level::error, path_, "the state database cannot be written",
                   {{"path", path_}, {"error", error.what()}});
}

}  // namespace deltaforge::storage
