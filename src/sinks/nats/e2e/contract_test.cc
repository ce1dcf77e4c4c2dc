// The contract of every sink, on a real server.
#include "sinks/testing/contract.h"

#include "sinks/nats/e2e/maker.h"
#include "sinks/nats/e2e/server.h"
#include "sinks/testing/server_contract.h"

namespace deltaforge::sinks::nats::e2e {
namespace {

class StreamSubject final : public testing::Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return maker(Server::shared().url(), stream_ + ".orders", "stream: " + stream_ + "\n").build(std::move(context));
  }
  std::vector<std::string> read() override { return Server::shared().events(stream_); }

 private:
  std::string stream_ = Server::shared().new_stream();
};

// Found by its subject; over TLS.
class TlsSubject final : public testing::Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    const std::string more = "tls:\n  ca_file: " + server_.ca_file() + "\nkey: \"${after.customer}\"\n";
    return maker(server_.url("localhost"), stream_ + ".${source.table}", more).build(std::move(context));
  }
  std::vector<std::string> read() override { return server_.events(stream_); }

 private:
  Server& server_ = Server::with_tls();
  std::string stream_ = server_.new_stream();
};

class ServerSubject final : public testing::ServerSubject {
 public:
  ~ServerSubject() override { come_back(); }
  std::unique_ptr<Sink> make(SinkContext context) override { return stream_.make(std::move(context)); }
  std::vector<std::string> read() override { return stream_.read(); }
  void leave() override { Server::shared().freeze(true); }
  void come_back() override { Server::shared().freeze(false); }
  std::unique_ptr<Sink> make_with_wrong_password(SinkContext context) override {
    return maker(Server::shared().user_url("wrong"), "orders").build(std::move(context));
  }

 private:
  StreamSubject stream_;
};

}  // namespace
}  // namespace deltaforge::sinks::nats::e2e

namespace deltaforge::sinks::testing {
INSTANTIATE_TEST_SUITE_P(Nats, SinkContract, ::testing::Values(subject_of<nats::e2e::StreamSubject>()));
INSTANTIATE_TEST_SUITE_P(NatsTls, SinkContract, ::testing::Values(subject_of<nats::e2e::TlsSubject>()));
INSTANTIATE_TEST_SUITE_P(Nats, ServerSinkContract, ::testing::Values(server_subject_of<nats::e2e::ServerSubject>()));
}  // namespace deltaforge::sinks::testing
