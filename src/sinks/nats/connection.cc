#include "sinks/nats/connection.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/bytes.h"
#include "base/digits.h"
#include "net/socket.h"
#include "sinks/nats/login.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr net::Peer kPeer{"connecting to NATS at", "opening TLS to NATS at", "url",
                          "nats:// is for servers without TLS"};
constexpr std::string_view kLogin =
    "check username and password, token, nkey or credentials_file, and what the server's log says";
constexpr std::string_view kRights =
    "grant this user to publish to the subject, and to subscribe to _INBOX.> for the answers";
constexpr std::string_view kApiRights =
    "grant this user to publish to $JS.API.STREAM.INFO.<stream> (without `stream` also $JS.API.STREAM.NAMES), and to "
    "subscribe to _INBOX.>";
// Answers come to "<inbox>.7", the acknowledgement of message 7, or to "<inbox>.q7", the answer to question 7.
constexpr std::string_view kQuestion = "q";
// So much more is not held back for the next call.
constexpr std::size_t kWriteAt = 64 * 1024;

SteadyTime now() { return std::chrono::steady_clock::now(); }

// Nobody else subscribes to it by guessing.
std::string new_inbox() {
  std::array<unsigned char, 12> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    throw Error(ErrorKind::unavailable, "connecting to NATS: the system has no random numbers");
  std::string text = "_INBOX.";
  for (const unsigned char byte : random) text += fmt::format("{:02x}", byte);
  return text + ".";
}

// What an operator must mend. A login that has expired since is none: the next connection brings a new one, or is told.
bool is_about_user(std::string_view error, bool logged_in) {
  const std::string text = to_lower(std::string(error));
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  return has("permissions violation") ||
         (!logged_in && (has("authorization") || has("authentication")) && !has("timeout"));
}

}  // namespace

Connection::Connection(const Config& config, const Servers& servers, const Server& server, const std::string& name)
    : patience_(std::chrono::seconds(config.send_timeout_secs)), where_(server.where()), inbox_(new_inbox()) {
  const SteadyTime deadline = now() + std::chrono::seconds(config.connect_timeout_secs);
  socket_ = net::connect_to(server.host, server.port, deadline, kPeer);
  link_.emplace(socket_.get(), nullptr, "the connection");
  log_in(config, servers, server, name, deadline);
}

void Connection::log_in(const Config& config, const Servers& servers, const Server& server, const std::string& name,
                        SteadyTime deadline) {
  const auto expect = [&](auto&& done) {
    const bool in_time = wait(deadline, done);
    if (in_time && !broken_) return;
    const std::string why = broken_ ? broken_->what : "no answer in time (connect_timeout_secs)";
    // TLS 1.3 is set up before the server has looked at our certificate.
    const bool distrusted = tls_ && why.find("alert") != std::string::npos;
    if (distrusted)
      throw Error(ErrorKind::auth, fmt::format("{} {}: {}", kPeer.opening_tls, where_, why),
                  "check tls.cert_file and tls.key_file, and whom the server trusts");
    const bool auth = broken_ && broken_->kind == ErrorKind::auth;
    throw Error(auth ? ErrorKind::auth : ErrorKind::unavailable,
                fmt::format("connecting to NATS at {}: {}", where_, why),
                std::string(auth ? kLogin : "check `url`, and the server's log"));
  };
  expect([this] { return info_.has_value(); });
  if (!info_->headers)
    throw Error(ErrorKind::unsupported, fmt::format("NATS at {} takes no headers", where_), "it must be 2.2 or later");
  if (config.tls || servers.tls() || info_->tls_required) start_tls(config, server, deadline);
  append(connect_line(config, servers, *info_, name, tls_.has_value()));
  append("PING\r\n");
  ++pings_;
  expect([this] { return pongs_ == pings_; });
  append(fmt::format("SUB {}* 1\r\n", inbox_));
  write();
}

void Connection::start_tls(const Config& config, const Server& server, SteadyTime deadline) {
  if (!info_->tls_available && !info_->tls_required)
    throw Error(ErrorKind::config, fmt::format("connecting to NATS at {}: this server has no TLS", where_),
                "leave `tls` out and write nats://");
  // Whoever sits between us and the server could have written it.
  if (reader_.left() > 0)
    throw Error(ErrorKind::unavailable, fmt::format("connecting to NATS at {}: it speaks before TLS begins", where_));
  tls_.emplace(config.tls.value_or(config::Tls{}));
  tls_->handshake(socket_.get(), server.host, where_, deadline, kPeer);
  link_.emplace(socket_.get(), tls_->session(), "the connection");
}

void Connection::wake_after(std::size_t answers) {
  constexpr std::string_view kShortest = "HMSG 0 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
  // Of a TLS record some may be with OpenSSL already.
  wake_after_bytes(answers > 1 && !tls_ ? static_cast<int>(answers * (inbox_.size() + kShortest.size())) : 1);
}

void Connection::wake_after_bytes(int count) {
  if (std::exchange(wake_after_, count) != count) net::wait_for_bytes(socket_.get(), count);
}

std::optional<std::string> Connection::ask(const std::string& subject, const std::string& request) {
  ++asked_;
  reply_.reset();
  append(fmt::format("PUB {} {}{}{} {}\r\n{}\r\n", subject, inbox_, kQuestion, asked_, request.size(), request));
  const bool answered = wait(now() + patience_, [this] { return reply_.has_value(); });
  if (reply_) return reply_->nobody ? std::nullopt : std::optional(std::move(reply_->text));
  const std::string what =
      fmt::format("asking {} of NATS at {}: {}", subject, where_, answered ? broken_->what : "no answer in time");
  if (answered && broken_->kind == ErrorKind::auth) throw Error(ErrorKind::auth, what, std::string(kApiRights));
  throw Error(ErrorKind::unavailable, what);
}

void Connection::publish(const MessageWriter& writer, const Slab& slab, const Expectation& expected,
                         std::uint64_t number) {
  std::array<char, 24> sequence{};
  std::size_t sequence_size = 0, headers = writer.headers_size();
  if (expected.last_sequence) {
    sequence_size = static_cast<std::size_t>(put_number(sequence.data(), *expected.last_sequence) - sequence.data());
    headers += kLastSequence.size() + kHeaderFrame + sequence_size;
  }
  if (!expected.last_id.empty()) headers += kLastId.size() + kHeaderFrame + expected.last_id.size();
  if (!expected.stream.empty()) headers += kExpectedStream.size() + kHeaderFrame + expected.stream.size();
  const std::string_view subject = writer.subject(slab), block = writer.headers(slab), payload = writer.payload(slab);
  const auto add_number = [this](std::uint64_t value) {
    char* const begin = out_.room(20);
    out_.add(static_cast<std::size_t>(put_number(begin, value) - begin));
  };
  const auto add_header = [this](std::string_view name, std::string_view value) {
    for (const std::string_view part : {name, std::string_view(": "), value, std::string_view("\r\n")}) append(part);
  };
  append("HPUB ");
  append(subject);
  append(" ");
  if (number != 0) {
    append(inbox_);
    add_number(number);
    append(" ");
  }
  add_number(headers);
  append(" ");
  add_number(headers + payload.size());
  append("\r\n");
  append(kHeadersBegin);
  if (expected.last_sequence) add_header(kLastSequence, {sequence.data(), sequence_size});
  if (!expected.stream.empty()) add_header(kExpectedStream, expected.stream);
  if (!expected.last_id.empty()) add_header(kLastId, expected.last_id);
  append(block);
  append("\r\n");
  append(payload);
  append("\r\n");
  if (out_.size() - written_ >= write_at_) write();
}

void Connection::write() {
  if (broken_) return;
  try {
    while (written_ < out_.size()) {
      const std::size_t taken = link_->write(as_bytes(out_.view(written_, out_.size() - written_)));
      if (taken == 0) break;
      written_ += taken;
    }
  } catch (const Error& error) {
    read();  // the server may have said why before it hung up
    end({error.kind(), error.message()});
  }
  const std::size_t rest = out_.size() - written_;
  write_at_ = rest + kWriteAt;
  if (rest == 0) {
    out_.clear();
  } else if (written_ >= rest) {
    std::memmove(out_.data(), out_.data() + written_, rest);
    out_.truncate(rest);
  } else {
    return;
  }
  written_ = 0;
}

void Connection::flush() {
  append("PING\r\n");
  ++pings_;
  const bool in_time = wait(now() + patience_, [this] { return pongs_ == pings_; });
  check();
  if (!in_time)
    throw Error(ErrorKind::unavailable, fmt::format("NATS {}: no answer in time (send_timeout_secs)", where_));
}

void Connection::receive(std::vector<Answer>& to) {
  to.clear();
  read();
  to.swap(answers_);
}

void Connection::check() const {
  if (!broken_) return;
  if (broken_->kind == ErrorKind::auth)
    throw Error(ErrorKind::auth, fmt::format("publishing to NATS at {}: {}", where_, broken_->what),
                std::string(kRights));
  throw Error(broken_->kind, fmt::format("NATS {}: {}", where_, broken_->what));
}

template <class Done>
bool Connection::wait(SteadyTime deadline, Done&& done) {
  wake_after_bytes(1);
  for (;;) {
    write();
    read();
    if (done() || broken_) return true;
    if (!net::wait_for(socket_.get(), wants_write(), deadline)) return false;
  }
}

void Connection::read() {
  if (broken_) return;
  try {
    for (bool more = true; more;) {
      const std::span<std::byte> space = reader_.space();
      const std::size_t got = link_->read(space);
      reader_.filled(got);
      // TLS hands out one record at a time; a short read of a plain socket says that there is no more.
      more = got == space.size() || (link_->has_tls() && got > 0);
      while (const auto message = reader_.next()) take(*message);
      if (!reader_.failure().empty()) link_->lost(fmt::format("that is no NATS: {}", reader_.failure()));
    }
  } catch (const Error& error) {
    end({error.kind(), error.message()});
  }
}

void Connection::take(const ServerMessage& message) {
  using Kind = ServerMessage::Kind;
  switch (message.kind) {
    case Kind::message: return take_answer(message);
    case Kind::ping: return append("PONG\r\n");
    case Kind::pong: pongs_ += pongs_ < pings_ ? 1 : 0; return;
    case Kind::ok: return;
    case Kind::error:
      return end({is_about_user(message.payload, pongs_ > 0) ? ErrorKind::auth : ErrorKind::unavailable,
                  std::string(message.payload)});
    case Kind::info:
      auto info = parse_info(message.payload, info_ ? info_->max_payload : ServerInfo::kUsualMaxPayload);
      if (!info) link_->lost("that is no NATS: what it says of itself is no JSON");
      info_ = std::move(info);
  }
}

void Connection::take_answer(const ServerMessage& message) {
  if (!message.subject.starts_with(inbox_)) return;
  if (message.subject.substr(inbox_.size()).starts_with(kQuestion)) {
    if (message.subject.substr(inbox_.size() + kQuestion.size()) == std::to_string(asked_))
      reply_ = {is_no_responders(message), std::string(message.payload)};
    return;
  }
  const Ack ack = is_no_responders(message) ? Ack{.kind = Ack::Kind::no_responders} : parse_ack(message.payload);
  answers_.push_back({reply_number(message.subject), ack.kind, ack.seq, ack.stream, ack.code, std::string(ack.text)});
}

void Connection::end(Broken why) {
  if (!broken_ || (broken_->kind == ErrorKind::unavailable && why.kind != ErrorKind::unavailable))
    broken_ = std::move(why);
}

std::unique_ptr<Connection> connect(const Config& config, const std::string& name) {
  const Servers servers = config.servers();
  std::optional<Error> failed;
  const std::size_t first = config.memory->next_server, count = servers.all.size();
  for (std::size_t at = first; at < first + count; ++at) {
    try {
      auto made = std::make_unique<Connection>(config, servers, servers.all[at % count], name);
      config.memory->next_server = (at + 1) % count;
      return made;
    } catch (const Error& error) {
      if (!failed || error.kind() != ErrorKind::unavailable) failed = error;
    }
  }
  throw Error(*failed);
}

}  // namespace deltaforge::sinks::nats
