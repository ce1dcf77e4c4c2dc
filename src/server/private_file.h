// Small files that options of the command line name. Error{config} names the option, the file and what is wrong.
#pragma once

#include <string>
#include <string_view>

namespace deltaforge::server {

// All of it, at most 64 KiB.
std::string read_file(const std::string& path, std::string_view option);
// The same, for what is secret: refused when users other than owner and group may read or write it.
std::string read_private_file(const std::string& path, std::string_view option);

}  // namespace deltaforge::server
