#include "sinks/nats/e2e/server.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <nats/nats.h>

#include "sinks/testing/process.h"

namespace deltaforge::sinks::nats::e2e {
namespace {

constexpr std::chrono::seconds kStartTime{60};
constexpr std::int64_t kWait = 20'000;

std::string program() {
  const char* which = std::getenv("DF_NATS");
  if (which == nullptr || std::string_view(which) == "nats") return "nats-server";
  return testing::cache() + "/nats/bin/nats-server";
}

void check(natsStatus status, const std::string& doing) {
  if (status == NATS_OK) return;
  const char* text = nats_GetLastError(nullptr);
  throw std::runtime_error(doing + ": " + natsStatus_GetText(status) + ": " + (text == nullptr ? "" : text));
}

struct Close {
  void operator()(natsConnection* c) const { natsConnection_Destroy(c); }
  void operator()(natsOptions* o) const { natsOptions_Destroy(o); }
  void operator()(natsMsg* m) const { natsMsg_Destroy(m); }
  void operator()(natsSubscription* s) const { natsSubscription_Destroy(s); }
  void operator()(jsCtx* j) const { jsCtx_Destroy(j); }
  void operator()(jsMsgMetaData* m) const { jsMsgMetaData_Destroy(m); }
};
template <class T>
using Handle = std::unique_ptr<T, Close>;

Handle<natsConnection> connect(const std::string& url, const std::string& ca_file) {
  natsOptions* raw = nullptr;
  check(natsOptions_Create(&raw), "options");
  const Handle<natsOptions> options(raw);
  natsOptions_SetURL(raw, url.c_str());
  natsOptions_SetAllowReconnect(raw, false);
  if (!ca_file.empty()) {
    natsOptions_SetSecure(raw, true);
    natsOptions_LoadCATrustedCertificates(raw, ca_file.c_str());
  }
  natsConnection* connection = nullptr;
  check(natsConnection_Connect(&connection, raw), "connecting to " + url);
  return Handle<natsConnection>(connection);
}

std::string request(natsConnection* at, const std::string& subject, const std::string& body) {
  natsMsg* raw = nullptr;
  check(natsConnection_RequestString(&raw, at, subject.c_str(), body.c_str(), kWait), subject);
  const Handle<natsMsg> reply(raw);
  return {natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw))};
}

Stored taken(natsMsg* message) {
  Stored stored{natsMsg_GetSubject(message),
                {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))},
                {}};
  const char** names = nullptr;
  int count = 0;
  if (natsMsgHeader_Keys(message, &names, &count) != NATS_OK) return stored;
  for (int i = 0; i < count; ++i) {
    const char* value = nullptr;
    if (natsMsgHeader_Get(message, names[i], &value) == NATS_OK) stored.headers[names[i]] = value;
  }
  std::free(names);
  return stored;
}

}  // namespace

Server::Server(const std::string& more) : more_(more), tls_(more.find("tls") != std::string::npos) {
  signal(SIGPIPE, SIG_IGN);  // as the engine does
  directory_ = testing::new_directory(std::filesystem::temp_directory_path().string(), "nats");
  port_ = testing::free_port();
  testing::make_certificate(directory_);
  write_config();
  start();
}

Server::~Server() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Server& Server::shared() {
  static Server server;
  return server;
}

Server& Server::with_tls() {
  static Server server("tls { cert_file: \"server.crt\", key_file: \"server.key\" }\n");
  return server;
}

void Server::write_config() const {
  std::string more = more_;
  for (const std::string_view file : {"server.crt", "server.key"})
    if (const auto at = more.find(file); at != std::string::npos) more.insert(at, directory_ + "/");
  std::ofstream(directory_ + "/server.conf")
      << fmt::format("listen: \"127.0.0.1:{}\"\nmax_payload: 8MB\n", port_)
      << (more.find("jetstream") == std::string::npos
              ? fmt::format("jetstream {{ store_dir: \"{}/store\" }}\n", directory_)
              : "")
      << fmt::format(
             "authorization {{ users: [ {{user: open, password: open}}, {{user: {}, password: \"{}\", "
             "permissions: {{publish: {{allow: {}}}}}}} ] }}\nno_auth_user: open\n",
             kUser, kPassword, rights_)
      << more;
}

void Server::start() {
  pid_ = testing::spawn({program(), "-c", directory_ + "/server.conf"}, directory_ + "/server.log");
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  for (;;) {
    try {
      api("INFO");
      return;
    } catch (const std::runtime_error& error) {
      if (std::chrono::steady_clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) != 0)
        throw std::runtime_error(program() + " did not start (is it there? ./dev setup): " + error.what() + ": " +
                                 testing::output_of("tail -5 " + directory_ + "/server.log"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void Server::kill() {
  if (pid_ <= 0) return;
  testing::kill_and_wait(pid_);
  pid_ = -1;
}

void Server::freeze(bool on) { ::kill(pid_, on ? SIGSTOP : SIGCONT); }

void Server::allow_only(const std::string& subjects) {
  rights_ = subjects;
  write_config();
  ::kill(pid_, SIGHUP);  // it reads its configuration again
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

std::string Server::user_url(const std::string& password) const {
  return fmt::format("nats://{}:{}@127.0.0.1:{}", kUser, password, port_);
}

std::string Server::new_stream(const std::string& more) {
  static int streams = 0;
  const std::string name = "S" + std::to_string(++streams);
  create(name, "[\"" + name + ".>\"]", more);
  return name;
}

void Server::create(const std::string& stream, const std::string& subjects, const std::string& more) const {
  api("STREAM.CREATE." + stream,
      fmt::format(
          "{{\"name\":\"{}\",\"subjects\":{},\"storage\":\"file\",\"num_replicas\":1,\"max_msgs\":-1,\"max_bytes\":"
          "-1,\"max_msg_size\":-1,\"duplicate_window\":3600000000000{}{}}}",
          stream, subjects, more.empty() ? "" : ",", more));
}

void Server::change(const std::string& stream, const std::string& subjects, const std::string& more) const {
  api("STREAM.UPDATE." + stream,
      fmt::format("{{\"name\":\"{}\",\"subjects\":{},\"storage\":\"file\",\"num_replicas\":1,"
                  "\"duplicate_window\":3600000000000,{}}}",
                  stream, subjects, more));
}

std::string Server::api(const std::string& what, const std::string& body) const {
  const auto connection = connect(url("localhost"), tls_ ? ca_file() : "");
  std::string answer = request(connection.get(), "$JS.API." + what, body);
  if (answer.find("\"error\":") != std::string::npos) throw std::runtime_error(what + ": " + answer);
  return answer;
}

void Server::publish(const std::string& subject, const std::string& payload) const {
  const auto connection = connect(url("localhost"), tls_ ? ca_file() : "");
  check(natsConnection_PublishString(connection.get(), subject.c_str(), payload.c_str()), subject);
  check(natsConnection_FlushTimeout(connection.get(), kWait), subject);
}

std::vector<Stored> Server::read(const std::string& stream) const {
  std::vector<Stored> found;
  if (api("STREAM.INFO." + stream).find("\"messages\":0,") != std::string::npos) return found;
  const auto connection = connect(url("localhost"), tls_ ? ca_file() : "");
  jsCtx* js = nullptr;
  check(natsConnection_JetStream(&js, connection.get(), nullptr), "JetStream");
  const Handle<jsCtx> context(js);
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Ordered = true;
  options.Stream = stream.c_str();
  natsSubscription* raw = nullptr;
  check(js_SubscribeSync(&raw, js, ">", nullptr, &options, nullptr), "reading " + stream);
  const Handle<natsSubscription> subscription(raw);
  for (std::uint64_t pending = 1; pending > 0;) {
    natsMsg* message = nullptr;
    check(natsSubscription_NextMsg(&message, raw, kWait), "reading " + stream);
    const Handle<natsMsg> owned(message);
    jsMsgMetaData* about = nullptr;
    check(natsMsg_GetMetaData(&about, message), "reading " + stream);
    pending = Handle<jsMsgMetaData>(about)->NumPending;
    found.push_back(taken(message));
  }
  return found;
}

std::vector<std::string> Server::events(const std::string& stream) const {
  std::vector<std::string> found;
  for (Stored& each : read(stream)) found.push_back(std::move(each.payload));
  return found;
}

}  // namespace deltaforge::sinks::nats::e2e
