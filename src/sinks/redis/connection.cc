#include "sinks/redis/connection.h"

#include <fmt/format.h>

#include "base/error.h"
#include "net/socket.h"
#include "sinks/redis/classify.h"

namespace deltaforge::sinks::redis {
namespace {

constexpr net::Peer kPeer{"connecting to Redis at", "opening TLS to Redis at", "uri",
                          "redis:// is for servers and ports without TLS"};

}  // namespace

Connection::Connection(const Config& config, const Target& target)
    : target_(target), deadline_(std::chrono::steady_clock::now() + std::chrono::seconds(config.connect_timeout_secs)) {
  if (target.tls) tls_.emplace(config.tls.value_or(config::Tls{}));
  socket_ = net::connect_to(target.host, target.port, deadline_, kPeer);
  if (tls_) tls_->handshake(socket_.get(), target.host, target.where(), deadline_, kPeer);
  link_.emplace(socket_.get(), tls_ ? tls_->session() : nullptr, "the connection to Redis at " + target.where());

  if (!target.password.empty()) {
    const std::string& password = target.password.reveal();
    expect_no_error(target.user.empty() ? ask({"AUTH", password}) : ask({"AUTH", target.user, password}), "logging in");
  }
  if (target.database != 0)
    expect_no_error(ask({"SELECT", std::to_string(target.database)}),
                    "selecting database " + std::to_string(target.database));
  // Whether it takes commands at all. A user without the right to ask may have that to write.
  const Reply pong = ask({"PING"});
  if (!(pong.type == Reply::Type::error && pong.text.starts_with("NOPERM")))
    expect_no_error(pong, "asking for an answer");
  // Were MULTI refused later, the server would take each XADD behind it by itself.
  for (const std::string_view command : {"MULTI", "EXEC"}) expect_no_error(ask({command}), "trying MULTI and EXEC");
}

std::optional<std::string> Connection::look(std::initializer_list<std::string_view> command) {
  const Reply reply = ask(command);
  if (reply.type == Reply::Type::integer) return std::to_string(reply.number);
  if (reply.type == Reply::Type::bulk || reply.type == Reply::Type::status) return std::string(reply.text);
  return std::nullopt;
}

std::optional<std::string> Connection::setting(std::string_view name) {
  const Reply head = ask({"CONFIG", "GET", name});
  std::optional<std::string> value;
  for (std::int64_t i = 0; head.type == Reply::Type::array && i < head.number; ++i)
    if (const Reply item = next_reply(); i == 1 && item.type == Reply::Type::bulk) value = std::string(item.text);
  return value;
}

Reply Connection::ask(std::initializer_list<std::string_view> command) {
  std::string text = fmt::format("*{}\r\n", command.size());
  for (std::string_view part : command) text += fmt::format("${}\r\n{}\r\n", part.size(), part);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t taken = link_->write(as_bytes(rest));
    rest.remove_prefix(taken);
    if (taken == 0 && !net::wait_for(socket_.get(), true, deadline_)) link_->lost("no answer in time");
  }
  return next_reply();
}

Reply Connection::next_reply() {
  for (;;) {
    if (auto reply = replies_.next()) return *reply;
    if (!replies_.failure().empty()) link_->lost(fmt::format("that is no Redis: {}", replies_.failure()));
    const std::size_t got = link_->read(replies_.space());
    replies_.filled(got);
    if (got == 0 && !net::wait_for(socket_.get(), link_->wants_write(), deadline_)) link_->lost("no answer in time");
  }
}

void Connection::expect_no_error(const Reply& reply, std::string_view doing) const {
  if (reply.type != Reply::Type::error) return;
  const Verdict verdict = classify(reply.text);
  throw Error(
      verdict.kind,
      fmt::format("{} at Redis {}: {}", doing, target_.where(), quotable(reply.text, target_.password.reveal())),
      std::string(verdict.hint));
}

}  // namespace deltaforge::sinks::redis
