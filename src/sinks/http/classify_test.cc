// What answers mean.
#include "sinks/http/classify.h"

#include <curl/curl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::sinks::http {
namespace {

using Action = Verdict::Action;

TEST(HttpClassify, Statuses) {
  for (long status : {200, 201, 202, 204, 207, 299})
    EXPECT_EQ(classify_status(status).action, Action::delivered) << status;
  for (long status :
       {0, 100, 199, 300, 301, 302, 304, 307, 308, 408, 425, 429, 500, 501, 502, 503, 504, 507, 599, 600, 999})
    EXPECT_EQ(classify_status(status).action, Action::retry) << status;
  for (long status : {401, 403}) {
    EXPECT_EQ(classify_status(status).action, Action::stop) << status;
    EXPECT_EQ(classify_status(status).kind, ErrorKind::auth) << status;
    EXPECT_THAT(classify_status(status).hint, ::testing::HasSubstr("headers")) << status;
  }
  for (long status : {400, 402, 404, 405, 406, 409, 410, 411, 413, 414, 415, 418, 422, 423, 424, 428, 431, 451, 499})
    EXPECT_EQ(classify_status(status).action, Action::refused) << status;
  EXPECT_EQ(status_text(503), "503 Service Unavailable");
  EXPECT_EQ(status_text(599), "status 599");
}

// Nothing that libcurl may say drops a row, and only what cannot mend itself stops the pipeline.
TEST(HttpClassify, EveryFailureOfLibcurl) {
  for (int code = 1; code < CURL_LAST; ++code) {
    const Verdict verdict = classify_failure(code, true);
    EXPECT_NE(verdict.action, Action::delivered) << code;
    const bool stops =
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
    EXPECT_EQ(verdict.action == Action::stop, stops) << code;
    EXPECT_EQ(verdict.action == Action::refused, code == CURLE_URL_MALFORMAT) << code;
    if (verdict.action != Action::retry) {
      EXPECT_NE(verdict.hint, "") << code;
    }
  }
  EXPECT_EQ(classify_failure(CURLE_COULDNT_CONNECT, false).action, Action::away);
  EXPECT_EQ(classify_failure(CURLE_OPERATION_TIMEDOUT, true).action, Action::retry);
  EXPECT_EQ(classify_failure(CURLE_OPERATION_TIMEDOUT, false).action, Action::away) << "there was no connection";
  EXPECT_EQ(classify_failure(CURLE_PEER_FAILED_VERIFICATION, false).kind, ErrorKind::auth);
}

}  // namespace
}  // namespace deltaforge::sinks::http
