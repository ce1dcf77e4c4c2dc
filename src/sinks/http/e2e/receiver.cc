#include "sinks/http/e2e/receiver.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "sinks/testing/process.h"

namespace deltaforge::sinks::http::e2e {
namespace {

constexpr std::chrono::seconds kStartTime{30};

// Each top-level item of an array, byte for byte.
std::vector<std::string> items(const std::string& array) {
  std::vector<std::string> found;
  int depth = 0;
  bool text = false;
  std::size_t begin = 1;
  for (std::size_t i = 1; i < array.size(); ++i) {
    const char c = array[i];
    if (text) {
      if (c == '\\') ++i;
      text = c != '"';
      continue;
    }
    if (c == '"') text = true;
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) found.push_back(array.substr(begin, i + 1 - begin));
    if (c == ',' && depth == 0) begin = i + 1;
  }
  return found;
}

}  // namespace

Receiver::Receiver(std::string token) : token_(std::move(token)) {
  signal(SIGPIPE, SIG_IGN);  // as the engine does
  directory_ = testing::new_directory(std::filesystem::temp_directory_path().string(), "http");
  port_ = testing::free_port();
  tls_port_ = testing::free_port();
  testing::make_certificate(directory_);
  start();
}

Receiver::~Receiver() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Receiver& Receiver::shared() {
  static Receiver receiver;
  return receiver;
}

void Receiver::start() {
  std::vector<std::string> command{"python3",    DF_SOURCE_DIR "/tests/harness/webhook_receiver.py",
                                   "--port",     std::to_string(port_),
                                   "--tls-port", std::to_string(tls_port_),
                                   "--cert",     directory_ + "/server.crt",
                                   "--key",      directory_ + "/server.key",
                                   "--record",   directory_ + "/requests.jsonl"};
  if (!token_.empty()) command.insert(command.end(), {"--token", token_});
  pid_ = testing::spawn(command, directory_ + "/receiver.log");
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (testing::output_of("curl -s --max-time 5 " + url() + "/_rules 2>&1") != "[]") {
    if (std::chrono::steady_clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) != 0)
      throw std::runtime_error("the receiver did not start: " +
                               testing::output_of("tail -5 " + directory_ + "/receiver.log"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void Receiver::kill() {
  if (pid_ <= 0) return;
  testing::kill_and_wait(pid_);
  pid_ = -1;
}

void Receiver::freeze(bool on) { ::kill(pid_, on ? SIGSTOP : SIGCONT); }

void Receiver::rules(const std::string& list) const {
  const std::string said = testing::output_of("curl -s --max-time 10 -d '" + list + "' " + url() + "/_rules 2>&1");
  if (!said.starts_with('[')) throw std::runtime_error("rules: " + said);
}

std::string Receiver::new_path() {
  static int paths = 0;
  return "/p" + std::to_string(++paths) + "/";
}

std::vector<Request> Receiver::requests(const std::string& path) const {
  std::ifstream file(directory_ + "/requests.jsonl");
  std::vector<Request> found;
  for (std::string line; std::getline(file, line);) {
    if (line.find("\"path\": \"" + path) == std::string::npos) continue;  // most lines are large, and of other tests
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded()) continue;  // half a line: it is being written
    Request request{json["method"], json["path"], json["body"],  {},
                    json["status"], json["link"], json["begin"], json["end"]};
    if (!request.path.starts_with(path)) continue;
    for (const auto& header : json["headers"]) {
      std::string name = header[0];
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      request.headers[name] = header[1];
    }
    found.push_back(std::move(request));
  }
  return found;
}

std::vector<std::string> Receiver::events(const std::string& path) const {
  std::vector<std::string> found;
  for (Request& request : requests(path)) {
    if (request.status < 200 || request.status > 299) continue;
    if (request.body.starts_with('['))
      for (std::string& item : items(request.body)) found.push_back(std::move(item));
    else
      found.push_back(std::move(request.body));
  }
  return found;
}

}  // namespace deltaforge::sinks::http::e2e
