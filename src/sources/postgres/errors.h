// What the server says went wrong -> Error. The SQLSTATE decides what the supervisor does with it.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::sources::postgres {

struct ServerError {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
};

// The body of an ErrorResponse or NoticeResponse.
ServerError read_server_error(Bytes body);

ErrorKind kind_of(std::string_view sqlstate);

// `doing`: "creating the replication slot s". `remedy` stands in for the server's own hint when there is one of ours.
Error to_error(std::string_view doing, const ServerError&, std::string remedy = {});

// A failure to connect, as libpq words it with PQERRORS_VERBOSE. `user` is named in remedies.
Error connect_error(std::string_view libpq_message, const std::string& user);

}  // namespace deltaforge::sources::postgres
