#include "config/parse_json.h"

#include <simdjson.h>
#include <nlohmann/json.hpp>

#include "config/wording.h"

namespace deltaforge::config {
namespace {

namespace ondemand = simdjson::ondemand;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// Walks over a document in the order of its text. Throws simdjson_error.
class Walk {
 public:
  Walk(const simdjson::padded_string& text, TreeBuilder& tree) : text_(text), at_(text.data()), tree_(tree) {}

  void document() {
    document_ = parser_.iterate(text_);
    tree_.begin_document();
    const std::string_view token = document_.raw_json_token();
    if (token.front() == '{')
      object(document_.get_object(), token.data());
    else
      array(document_.get_array(), token.data());
    const char* left = nullptr;
    if (document_.current_location().get(left) == simdjson::SUCCESS)
      throw simdjson::simdjson_error(simdjson::TRAILING_CONTENT);
  }

 private:
  void value(ondemand::value value) {
    std::string_view token = value.raw_json_token();
    const char* from = token.data();
    switch (value.type()) {
      case ondemand::json_type::object: return object(value.get_object(), from);
      case ondemand::json_type::array: return array(value.get_array(), from);
      case ondemand::json_type::string: {
        const Place at = place(from);
        return tree_.scalar(at, std::string(std::string_view(value.get_string())), true);
      }
      case ondemand::json_type::number: value.get_number().value(); break;  // it is one
      case ondemand::json_type::boolean: value.get_bool().value(); break;
      case ondemand::json_type::null:
        if (!value.is_null()) throw simdjson::simdjson_error(simdjson::N_ATOM_ERROR);
        return tree_.null(place(from));
    }
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    tree_.scalar(place(from), std::string(token), false);
  }

  void object(ondemand::object object, const char* from) {
    tree_.begin(Node::Kind::map, place(from));
    for (ondemand::field field : object) {
      const Place key = place(field.key().raw() - 1);
      tree_.scalar(key, std::string(std::string_view(field.unescaped_key())), true);
      value(field.value());
    }
    tree_.end();
  }

  void array(ondemand::array array, const char* from) {
    tree_.begin(Node::Kind::list, place(from));
    for (ondemand::value each : array) value(each);
    tree_.end();
  }

  // Of `to`, which is not before the place that was asked for last.
  Place place(const char* to) {
    for (; at_ < to; ++at_) {
      if (*at_ == '\n')
        place_ = {place_.line + 1, 1};
      else if (begins_character(*at_))
        ++place_.column;
    }
    return place_;
  }

  const simdjson::padded_string& text_;
  const char* at_;
  Place place_;
  TreeBuilder& tree_;
  ondemand::parser parser_;
  ondemand::document document_;
};

// The quick parser neither says where nor in words for people; the patient one does. What it read last is left out of
// its message: it may be a secret.
SyntaxError explain(std::string_view text, std::string_view otherwise) {
  std::string message(otherwise);
  std::size_t at = 0;
  try {
    [[maybe_unused]] const auto read = nlohmann::json::parse(text);
  } catch (const nlohmann::json::out_of_range&) {  // a number
    message = "a number that is too large";
  } catch (const nlohmann::json::parse_error& error) {
    at = error.byte > 0 ? error.byte - 1 : 0;
    message = error.what();
    if (const std::size_t column = message.find(": ", message.find(", column ")); column != std::string::npos)
      message.erase(0, column + 2);
    if (constexpr std::string_view kAgain = "syntax error "; message.starts_with(kAgain))
      message.erase(0, kAgain.size());
    if (const std::size_t last = message.find("; last read: '"); last != std::string::npos) {
      const std::size_t expected = message.rfind("'; expected ");
      message.erase(last, expected == std::string::npos || expected < last ? expected : expected + 1 - last);
    }
  }
  Place place;
  for (char c : text.substr(0, at)) {
    if (c == '\n')
      place = {place.line + 1, 1};
    else if (begins_character(c))
      ++place.column;
  }
  return {place, "syntax error in JSON: " + printable(message, 160)};
}

}  // namespace

std::optional<SyntaxError> parse_json(std::string_view text, TreeBuilder& tree) {
  const simdjson::padded_string padded(text);
  try {
    Walk(padded, tree).document();
    return std::nullopt;
  } catch (const simdjson::simdjson_error& error) {
    return explain(text, error.what());
  }
}

}  // namespace deltaforge::config
