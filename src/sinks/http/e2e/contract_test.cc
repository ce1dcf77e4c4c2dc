// The contract of every sink, against a receiver. Its order is that of all rows, so they have one key here, or go in
// arrays; that rows of other keys go beside each other is in answers_test.cc.
#include "sinks/testing/contract.h"

#include "sinks/http/e2e/maker.h"
#include "sinks/http/e2e/receiver.h"
#include "sinks/testing/server_contract.h"

namespace deltaforge::sinks::http::e2e {
namespace {

class SingleSubject : public testing::Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return maker(Receiver::shared().url() + path_, "key: all\n").build(std::move(context));
  }
  std::vector<std::string> read() override { return Receiver::shared().events(path_); }

 private:
  std::string path_ = Receiver::new_path();
};

class ArraysSubject final : public testing::Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return maker(Receiver::shared().url() + path_ + "${source.table}", "batch_mode: true\nmethod: PUT\n")
        .build(std::move(context));
  }
  std::vector<std::string> read() override { return Receiver::shared().events(path_); }

 private:
  std::string path_ = Receiver::new_path();
};

class TlsSubject final : public testing::Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    const std::string more = "key: all\ntls:\n  ca_file: " + Receiver::shared().ca_file() + "\n";
    return maker(Receiver::shared().tls_url() + path_, more).build(std::move(context));
  }
  std::vector<std::string> read() override { return Receiver::shared().events(path_); }

 private:
  std::string path_ = Receiver::new_path();
};

class ServerSubject final : public testing::ServerSubject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override { return make("right", std::move(context)); }
  std::vector<std::string> read() override { return receiver_.events("/events"); }
  void leave() override { receiver_.freeze(true); }
  void come_back() override { receiver_.freeze(false); }
  std::unique_ptr<Sink> make_with_wrong_password(SinkContext context) override {
    return make("wrong", std::move(context));
  }

 private:
  std::unique_ptr<Sink> make(const std::string& token, SinkContext context) {
    return maker(receiver_.url() + "/events",
                 "key: all\nsend_timeout_secs: 1\nheaders: {Authorization: Bearer " + token + "}\n")
        .build(std::move(context));
  }
  Receiver receiver_{"right"};
};

class KilledSubject final : public testing::ServerSubject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return maker(receiver_.url() + "/events", "batch_mode: true\n").build(std::move(context));
  }
  std::vector<std::string> read() override { return receiver_.events("/events"); }
  void leave() override { receiver_.kill(); }
  void come_back() override { receiver_.start(); }
  std::unique_ptr<Sink> make_with_wrong_password(SinkContext context) override {
    receiver_.rules(R"([{"status": 403}])");
    return make(std::move(context));
  }

 private:
  Receiver receiver_;
};

}  // namespace
}  // namespace deltaforge::sinks::http::e2e

namespace deltaforge::sinks::testing {
INSTANTIATE_TEST_SUITE_P(Http, SinkContract, ::testing::Values(subject_of<http::e2e::SingleSubject>()));
INSTANTIATE_TEST_SUITE_P(HttpArrays, SinkContract, ::testing::Values(subject_of<http::e2e::ArraysSubject>()));
INSTANTIATE_TEST_SUITE_P(HttpTls, SinkContract, ::testing::Values(subject_of<http::e2e::TlsSubject>()));
INSTANTIATE_TEST_SUITE_P(Http, ServerSinkContract, ::testing::Values(server_subject_of<http::e2e::ServerSubject>()));
INSTANTIATE_TEST_SUITE_P(HttpKilled, ServerSinkContract,
                         ::testing::Values(server_subject_of<http::e2e::KilledSubject>()));
}  // namespace deltaforge::sinks::testing
