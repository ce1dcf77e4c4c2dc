// What tests of a sink need to run its real server. Linux.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace deltaforge::sinks::testing {

// Of the loopback address.
int free_port();

// Dies with the thread that started it. Both outputs go to the end of `log`.
pid_t spawn(const std::vector<std::string>& command, const std::string& log);
void kill_and_wait(pid_t);

// Both outputs only as far as the shell's command says so.
std::string output_of(const std::string& command);

// A new, empty folder for a server's data: <in>/df-<name>-XXXXXX.
std::string new_directory(const std::string& in, const std::string& name);

// ca.pem, and server.key and server.crt that it has signed for `localhost`.
void make_certificate(const std::string& directory);

// Where ./dev setup keeps servers.
std::string cache();

}  // namespace deltaforge::sinks::testing
