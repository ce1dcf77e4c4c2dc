// How failure travels: Error for "this pipeline or request cannot go on", Result for
// "these bytes cannot be decoded". A broken invariant is DF_CHECK, a wrong configuration is config::Report.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace deltaforge {

// What the supervisor does with an Error depends on the kind alone (pipeline/supervisor.cc).
enum class ErrorKind {
  unavailable,       // server away, link cut: degraded, tried again with back-off for ever
  auth,              // wrong credentials, missing grants: failed with the remedy, tried again every 60 s
  config,            // the configuration contradicts what the server says: failed until resume
  unsupported,       // "not in this build"
  undecodable,       // bytes that may carry data and are not understood: failed until resume
  position_lost,     // the source no longer has what we need: failed until resume
  sink_state,        // a sink's own position is missing, foreign or regressed: failed until resume
  fenced,            // another instance owns the sink or the slot for good: failed until resume
  source_id_in_use,  // two live pipelines with one source id
  limit,             // a configured bound was passed (max_tx_bytes): failed until resume
  storage,           // the state directory cannot be written: degraded, tried again
  internal,          // an exception that nobody expected: failed until resume
  state_lost,        // marker without database: process exits 3
  state_locked,      // another process holds the state: process exits 3
};

std::string_view to_string(ErrorKind);

// message: what was being done, on what. hint: the option or statement that mends it (may be empty).
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, std::string hint = {})
      : kind_(kind), message_(std::move(message)), hint_(std::move(hint)) {
    what_ = hint_.empty() ? message_ : message_ + " (" + hint_ + ")";
  }
  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_, hint_, what_;
};

// Why bytes could not be decoded, and where in the message.
struct DecodeFailure {
  std::string what;
  std::size_t offset = 0;
  std::string remedy = {};  // where there is one that only the decoder can know
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(DecodeFailure failure) : state_(std::move(failure)) {}
  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const DecodeFailure& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, DecodeFailure> state_;
};

}  // namespace deltaforge
