#include "sinks/redis/e2e/server.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "sinks/testing/process.h"

namespace deltaforge::sinks::redis::e2e {
namespace {

constexpr std::chrono::seconds kStartTime{60};

std::string program() {
  const char* which = std::getenv("DF_REDIS");
  if (which == nullptr || std::string_view(which) == "redis") return "redis-server";
  return testing::cache() + "/redis/bin/" + which;
}

// "1732586400000-0"
bool is_entry_id(const std::string& line) {
  const std::size_t dash = line.find('-');
  return dash > 9 && dash != std::string::npos && line.find_first_not_of("0123456789-") == std::string::npos;
}

}  // namespace

Server::Server() {
  signal(SIGPIPE, SIG_IGN);  // as the engine does
  directory_ = testing::new_directory(std::filesystem::temp_directory_path().string(), "redis");
  port_ = testing::free_port();
  tls_port_ = testing::free_port();
  testing::make_certificate(directory_);
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

void Server::start() {
  pid_ = testing::spawn({program(),
                         "--port",
                         std::to_string(port_),
                         "--tls-port",
                         std::to_string(tls_port_),
                         "--tls-cert-file",
                         directory_ + "/server.crt",
                         "--tls-key-file",
                         directory_ + "/server.key",
                         "--tls-ca-cert-file",
                         directory_ + "/ca.pem",
                         "--tls-auth-clients",
                         "no",
                         "--bind",
                         "127.0.0.1",
                         "--dir",
                         directory_,
                         "--appendonly",
                         "yes",
                         "--appendfsync",
                         "always",
                         "--save",
                         ""},
                        directory_ + "/server.log");
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (cli({"PING"}) != "PONG\n") {
    if (std::chrono::steady_clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) != 0)
      throw std::runtime_error(program() + " did not start (is it there? ./dev setup): " +
                               testing::output_of("tail -5 " + directory_ + "/server.log"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  cli({"ACL", "SETUSER", kUser, "on", ">" + std::string(kPassword), "~*", "+@all"});
}

void Server::kill() {
  if (pid_ <= 0) return;
  testing::kill_and_wait(pid_);
  pid_ = -1;
}

void Server::rewrite_log() const {
  cli({"BGREWRITEAOF"});
  for (int i = 0; i < 500 && cli({"INFO", "persistence"}).find("aof_rewrite_in_progress:0") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

void Server::freeze(bool on) { ::kill(pid_, on ? SIGSTOP : SIGCONT); }

std::string Server::new_stream() {
  static int streams = 0;
  return "orders-" + std::to_string(++streams);
}

std::string Server::cli(const std::vector<std::string>& command, int database) const {
  std::string line =
      "timeout 60 redis-cli --raw -h 127.0.0.1 -p " + std::to_string(port_) + " -n " + std::to_string(database);
  for (const std::string& word : command) line += " '" + word + "'";
  return testing::output_of(line + " 2>&1");
}

void Server::set(const std::string& name, const std::string& value) const {
  if (const std::string said = cli({"CONFIG", "SET", name, value}); said != "OK\n") throw std::runtime_error(said);
}

void Server::allow_only(const std::vector<std::string>& rules) const {
  std::vector<std::string> command{"ACL", "SETUSER", kUser, "reset", "on", ">" + std::string(kPassword)};
  command.insert(command.end(), rules.begin(), rules.end());
  if (const std::string said = cli(command); said != "OK\n") throw std::runtime_error(said);
}

long Server::calls(const std::string& command) const {
  const std::string stats = cli({"INFO", "commandstats"}), name = "cmdstat_" + command + ":calls=";
  const std::size_t at = stats.find(name);
  return at == std::string::npos ? 0 : std::stol(stats.substr(at + name.size()));
}

std::vector<Entry> Server::read(const std::string& stream, int database) const {
  std::istringstream lines(cli({"XRANGE", stream, "-", "+"}, database));
  std::vector<Entry> entries;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (is_entry_id(line)) {
      entries.emplace_back();
      continue;
    }
    std::string value;
    std::getline(lines, value);
    if (entries.empty()) throw std::runtime_error(line);
    entries.back().emplace_back(line, value);
  }
  return entries;
}

std::vector<std::string> Server::events(const std::string& stream) const {
  std::vector<std::string> found;
  for (Entry& entry : read(stream)) found.push_back(std::move(entry.at(0).second));
  return found;
}

}  // namespace deltaforge::sinks::redis::e2e
