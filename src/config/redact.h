// Finds secrets in settings that are not declared as Secret: maps of a client library's options, headers, URLs.
#pragma once

#include <string>
#include <string_view>

namespace deltaforge::config {

// Whether a setting is secret by its name: `sasl.password`, `ssl.key.pem`, `auth_token`. Rather one too many.
bool names_secret(std::string_view name);

// The text with the user part of URLs (`postgres://user:***@host`) and values like `password=...` masked.
std::string mask_secrets(std::string_view text);

}  // namespace deltaforge::config
