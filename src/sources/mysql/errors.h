// Errors of the server and of its client library -> Error, with the remedy. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace deltaforge::sources::mysql {

struct ServerError {
  unsigned number = 0;  // 1045; 2000 and above are the client library's own
  std::string message;
};

ErrorKind kind_of(unsigned number);

// The end of a remedy.
inline constexpr char kBeginAfresh[] =
    "remove the stored position (stop; in the state database DELETE FROM kv WHERE namespace = 'checkpoints' AND key = "
    "'<source id>'; a file sink needs an empty directory, too) to begin at the end of the log, and load the tables "
    "anew";

// A statement failed. `doing` opens the message: "reading the server's settings".
Error to_error(std::string_view doing, const ServerError&, std::string remedy = {});
// The connection could not be made.
Error connect_error(const std::string& where, const ServerError&, const std::string& user);
// The server ended the binary log stream with an error packet. `place` is where the stream stood.
Error stream_error(const ServerError&, const std::string& place);

}  // namespace deltaforge::sources::mysql
