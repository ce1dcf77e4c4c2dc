#include "sinks/nats/connection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nats/nats.h>

#include "base/digits.h"
#include "sinks/nats/nkey.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr int kBufferSize = 256 * 1024;
constexpr std::string_view kLogin =
    "check username and password, token, nkey or credentials_file, and what the server's log says";
constexpr std::string_view kRights =
    "grant this user to publish to the subject, and to subscribe to _INBOX.> for the answers";
constexpr std::string_view kApiRights =
    "grant this user to publish to $JS.API.STREAM.INFO.<stream> (without `stream` also $JS.API.STREAM.NAMES), and to "
    "subscribe to _INBOX.>";

using Options = std::shared_ptr<natsOptions>;
struct FreeMessage {
  void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
};
using Message = std::unique_ptr<natsMsg, FreeMessage>;

// Messages that are done with. The library lets a thread of its own free them and wakes it for each one, which costs
// more than sending it; so they go many at a time.
class Spent {
 public:
  void add(Message message, std::size_t bytes) {
    messages_.push_back(std::move(message));
    bytes_ += bytes;
    if (messages_.size() < kTogether && bytes_ < kBytes) return;
    messages_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr std::size_t kTogether = 256, kBytes = 1024 * 1024;
  std::vector<Message> messages_;
  std::size_t bytes_ = 0;
};

std::string last_error() {
  natsStatus ignored;
  const char* text = nats_GetLastError(&ignored);
  return text == nullptr ? std::string() : std::string(text);
}

std::string describe(natsStatus status) {
  const std::string text = last_error();
  return text.empty() ? natsStatus_GetText(status) : text;
}

void* closure_of(const Inbox& inbox) { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(inbox.id())); }
std::shared_ptr<Inbox> inbox_of(void* closure) { return Inbox::find(reinterpret_cast<std::uintptr_t>(closure)); }

// --- the library's threads ---

void on_answer(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
  thread_local Spent spent;
  Message message(raw);
  const std::string_view data(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
  if (const auto inbox = inbox_of(closure)) {
    const std::uint64_t number = reply_number(natsMsg_GetSubject(raw));
    const Ack ack = natsMsg_IsNoResponders(raw) ? Ack{.kind = Ack::Kind::no_responders} : parse_ack(data);
    inbox->take({number, ack.kind, ack.seq, ack.stream, ack.code, std::string(ack.text)});
  }
  spent.add(std::move(message), data.size());
}

void on_error(natsConnection*, natsSubscription*, natsStatus status, void* closure) {
  const auto inbox = inbox_of(closure);
  if (!inbox) return;
  if (status == NATS_NOT_PERMITTED || status == NATS_CONNECTION_AUTH_FAILED)
    inbox->end({ErrorKind::auth, last_error()});
  else if (status == NATS_SLOW_CONSUMER)
    inbox->end({ErrorKind::unavailable, "acknowledgements came faster than they could be read"});
}

void on_closed(natsConnection* connection, void* closure) {
  const auto inbox = inbox_of(closure);
  if (!inbox) return;
  const char* text = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection, &text);
  inbox->end({status == NATS_CONNECTION_AUTH_FAILED ? ErrorKind::auth : ErrorKind::unavailable,
              status == NATS_OK || text == nullptr ? "the server has closed the connection" : text});
}

// --- making it ---

void expect(natsStatus status, std::string_view doing, std::string_view hint) {
  if (status != NATS_OK)
    throw Error(ErrorKind::config, fmt::format("connecting to NATS: {}: {}", doing, describe(status)),
                std::string(hint));
}

std::string read_file(const std::string& path, std::string_view field) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty())
    throw Error(ErrorKind::config, fmt::format("connecting to NATS: the file {} cannot be read", path),
                fmt::format("give `{}` a file that this process may read", field));
  return text;
}

void set_login(natsOptions* options, const Config& config, const Servers& servers) {
  const std::string& user = config.username.empty() ? servers.user : config.username;
  const config::Secret& password = config.username.empty() ? servers.password : config.password;
  const config::Secret& token = config.token.empty() ? servers.token : config.token;
  if (!user.empty())
    expect(natsOptions_SetUserInfo(options, user.c_str(), password.reveal().c_str()), "setting the user", "username");
  if (!token.empty()) expect(natsOptions_SetToken(options, token.reveal().c_str()), "setting the token", "token");
  if (!config.credentials_file.empty()) {
    if (read_file(config.credentials_file, "credentials_file").find("NATS USER JWT") == std::string::npos)
      throw Error(ErrorKind::config,
                  fmt::format("connecting to NATS: {} is no file of credentials", config.credentials_file),
                  "`credentials_file` is what `nsc generate creds` writes");
    expect(natsOptions_SetUserCredentialsFromFiles(options, config.credentials_file.c_str(), nullptr),
           "reading the credentials", "credentials_file");
  }
  if (!config.nkey.empty()) {
    const std::string key = public_key_of(find_seed(read_file(config.nkey, "nkey")));
    if (key.empty())
      throw Error(ErrorKind::config, fmt::format("connecting to NATS: {} holds no seed of a user", config.nkey),
                  "`nkey` is a file with a line that begins with SU");
    expect(natsOptions_SetNKeyFromSeed(options, key.c_str(), config.nkey.c_str()), "reading the seed", "nkey");
  }
}

void set_tls(natsOptions* options, const Config& config, const Servers& servers) {
  if (!config.tls && !servers.tls()) return;
  const config::Tls tls = config.tls.value_or(config::Tls{});
  expect(natsOptions_SetSecure(options, true), "setting up TLS", "tls");
  if (!tls.ca_file.empty())
    expect(natsOptions_LoadCATrustedCertificates(options, tls.ca_file.c_str()),
           fmt::format("reading the certificates in {}", tls.ca_file), "tls.ca_file");
  if (!tls.cert_file.empty())
    expect(natsOptions_LoadCertificatesChain(options, tls.cert_file.c_str(), tls.key_file.c_str()),
           fmt::format("reading {} and {}", tls.cert_file, tls.key_file), "tls.cert_file, tls.key_file");
  if (tls.insecure_skip_verify) expect(natsOptions_SkipServerVerification(options, true), "setting up TLS", "tls");
}

Options options_of(const Config& config, const Servers& servers, const std::string& name, const Inbox& inbox) {
  natsOptions* raw = nullptr;
  expect(natsOptions_Create(&raw), "making options", "");
  Options options(raw, natsOptions_Destroy);
  const std::int64_t patience = config.send_timeout_secs * 1000;
  natsOptions_SetName(raw, name.c_str());
  natsOptions_SetAllowReconnect(raw, false);
  natsOptions_SetTimeout(raw, config.connect_timeout_secs * 1000);
  natsOptions_SetWriteDeadline(raw, patience);
  // A server that is silent altogether is found by the library.
  natsOptions_SetPingInterval(raw, std::max<std::int64_t>(patience / 2, 500));
  natsOptions_SetMaxPingsOut(raw, 2);
  natsOptions_SetIOBufSize(raw, kBufferSize);
  natsOptions_SetNoEcho(raw, true);
  natsOptions_SetFailRequestsOnDisconnect(raw, true);
  natsOptions_SetErrorHandler(raw, on_error, closure_of(inbox));
  natsOptions_SetClosedCB(raw, on_closed, closure_of(inbox));
  set_login(raw, config, servers);
  set_tls(raw, config, servers);
  return options;
}

// What a thread of its own brings: names are looked up, and TLS is agreed upon, without any bound of time.
struct Attempt {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false, abandoned = false;
  natsStatus status = NATS_TIMEOUT;
  natsConnection* connection = nullptr;
  std::string text = "no answer in time (connect_timeout_secs)";
};

void run(Attempt& attempt, natsOptions* options) {
  natsConnection* connection = nullptr;
  const natsStatus status = natsConnection_Connect(&connection, options);
  std::unique_lock lock(attempt.mutex);
  if (attempt.abandoned) {
    lock.unlock();
    natsConnection_Destroy(connection);
    return;
  }
  attempt.over = true;
  attempt.status = status;
  attempt.connection = connection;
  if (status != NATS_OK) attempt.text = describe(status);
  attempt.changed.notify_one();
}

std::shared_ptr<Attempt> attempt(const Options& options, std::chrono::milliseconds patience) {
  auto made = std::make_shared<Attempt>();
  std::thread([made, options] {
    run(*made, options.get());
    nats_ReleaseThreadMemory();
  }).detach();
  std::unique_lock lock(made->mutex);
  if (!made->changed.wait_for(lock, patience, [&] { return made->over; })) made->abandoned = true;
  return made;
}

// Why a server could not be used. Those that are away are tried again, what the operator must mend is not.
Error connect_error(natsStatus status, const std::string& text, const Server& server) {
  const std::string what = fmt::format("connecting to NATS at {}: {}", server.where(), text);
  const auto has = [&text](std::string_view part) {
    return std::search(text.begin(), text.end(), part.begin(), part.end(), [](char a, char b) {
             return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
           }) != text.end();
  };
  if (status == NATS_CONNECTION_AUTH_FAILED || has("authorization violation") || has("authentication"))
    return {ErrorKind::auth, what, std::string(kLogin)};
  if (status == NATS_SECURE_CONNECTION_WANTED)
    return {ErrorKind::config, what, "this server has no TLS: leave `tls` out and write nats://"};
  if (status == NATS_SSL_ERROR && (has("certificate") || has("mismatch")))
    return {ErrorKind::auth, what,
            "let tls.ca_file name the authority of the server's certificate, and `url` a host that it is made for"};
  if (status == NATS_SSL_ERROR) return {ErrorKind::unavailable, what, "check `tls`, and the server's log"};
  return {ErrorKind::unavailable, what, "start the server, or change `url`"};
}

}  // namespace

struct Connection::Library {
  natsConnection* connection = nullptr;
  natsSubscription* answers = nullptr;
  Spent spent;

  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  // Closing waits: for the library's lock, for its threads, and 500 ms for a last answer. None of it is for the lane.
  ~Library() {
    if (connection == nullptr) return;
    std::thread([of = connection, sub = answers] {
      natsSubscription_Destroy(sub);
      natsConnection_Destroy(of);
      nats_ReleaseThreadMemory();
    }).detach();
  }
};

Connection::Connection(const Config& config, const std::string& name, std::shared_ptr<Inbox> inbox)
    : patience_(config.send_timeout_secs * 1000), inbox_(std::move(inbox)), library_(std::make_unique<Library>()) {
  const Servers servers = config.servers();
  const Options options = options_of(config, servers, name, *inbox_);
  std::optional<Error> failed;
  for (const Server& server : servers.all) {
    natsOptions_SetURL(options.get(), fmt::format("nats://{}", server.where()).c_str());
    if (config.tls || servers.tls()) natsOptions_SetExpectedHostname(options.get(), server.host.c_str());
    const auto tried = attempt(options, std::chrono::seconds(config.connect_timeout_secs));
    if (tried->connection != nullptr) {
      library_->connection = tried->connection;
      where_ = server.where();
      break;
    }
    Error error = connect_error(tried->status, tried->text, server);
    if (!failed || error.kind() != ErrorKind::unavailable) failed = std::move(error);
  }
  if (library_->connection == nullptr) throw *failed;

  natsInbox* raw = nullptr;
  natsStatus status = natsInbox_Create(&raw);
  if (status == NATS_OK) {
    reply_ = std::string(raw) + ".";
    natsInbox_Destroy(raw);
    status = natsConnection_Subscribe(&library_->answers, library_->connection, (reply_ + "*").c_str(), on_answer,
                                      closure_of(*inbox_));
  }
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(library_->answers, -1, -1);
  if (status == NATS_OK && natsConnection_HasHeaderSupport(library_->connection) != NATS_OK)
    throw Error(ErrorKind::unsupported, fmt::format("NATS at {} takes no headers", where_), "it must be 2.2 or later");
  if (status != NATS_OK) lost("subscribing to the answers of", status);
}

Connection::~Connection() = default;

std::size_t Connection::max_payload() const {
  return static_cast<std::size_t>(std::max<std::int64_t>(natsConnection_GetMaxPayload(library_->connection), 0));
}

std::optional<std::string> Connection::ask(const std::string& subject, const std::string& request) {
  natsMsg* raw = nullptr;
  const natsStatus status = natsConnection_Request(&raw, library_->connection, subject.c_str(), request.data(),
                                                   static_cast<int>(request.size()), patience_.count());
  const Message reply(raw);
  if (status == NATS_NO_RESPONDERS) return std::nullopt;
  if (status != NATS_OK) {
    const char* text = nullptr;
    if (natsConnection_GetLastError(library_->connection, &text) == NATS_NOT_PERMITTED)
      throw Error(ErrorKind::auth, fmt::format("asking NATS at {}: {}", where_, text), std::string(kApiRights));
    lost(fmt::format("asking {} of", subject), status);
  }
  return std::string(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
}

void Connection::publish(const MessageWriter& writer, Slab& slab, const Expectation& expected, std::uint64_t number) {
  std::array<char, 128> reply{};
  if (number != 0) {
    std::memcpy(reply.data(), reply_.data(), reply_.size());
    *put_number(reply.data() + reply_.size(), number) = '\0';
  }
  const std::string_view payload = writer.payload(slab);
  natsMsg* raw = nullptr;
  natsStatus status =
      natsMsg_Create(&raw, writer.text_at(slab, writer.subject_at()), number != 0 ? reply.data() : nullptr,
                     payload.data(), static_cast<int>(payload.size()));
  Message message(raw);
  for (const MessageWriter::HeaderAt& header : writer.headers()) {
    if (status != NATS_OK) break;
    const char* name = header.name != nullptr ? header.name : writer.text_at(slab, header.name_at);
    status = natsMsgHeader_Set(raw, name, writer.text_at(slab, header.value_at));
  }
  if (status == NATS_OK && expected.last_sequence) {
    std::array<char, 24> digits{};
    put_number(digits.data(), *expected.last_sequence);
    status = natsMsgHeader_Set(raw, "Nats-Expected-Last-Sequence", digits.data());
  }
  if (status == NATS_OK && expected.last_id != nullptr)
    status = natsMsgHeader_Set(raw, "Nats-Expected-Last-Msg-Id", expected.last_id);
  if (status == NATS_OK && expected.stream != nullptr)
    status = natsMsgHeader_Set(raw, "Nats-Expected-Stream", expected.stream);
  if (status == NATS_OK) status = natsConnection_PublishMsg(library_->connection, raw);
  library_->spent.add(std::move(message), writer.size());
  if (status != NATS_OK) lost("publishing to", status);
}

void Connection::flush() {
  const natsStatus status = natsConnection_FlushTimeout(library_->connection, patience_.count());
  const char* text = nullptr;
  if (natsConnection_GetLastError(library_->connection, &text) == NATS_NOT_PERMITTED)
    throw Error(ErrorKind::auth, fmt::format("publishing to NATS at {}: {}", where_, text), std::string(kRights));
  if (status != NATS_OK) lost("publishing to", status);
}

// The reason that the server gave for its end goes before what the library saw of it.
void Connection::lost(std::string_view doing, int status) const {
  const auto broken = inbox_->broken();
  const std::string text = broken ? broken->what : describe(static_cast<natsStatus>(status));
  const bool auth = broken && broken->kind == ErrorKind::auth;
  throw Error(auth ? ErrorKind::auth : ErrorKind::unavailable, fmt::format("{} NATS at {}: {}", doing, where_, text),
              std::string(auth ? kRights : std::string_view()));
}

}  // namespace deltaforge::sinks::nats
