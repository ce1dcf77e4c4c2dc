#include "config/parse_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "config/wording.h"

namespace deltaforge::config {
namespace {

namespace ondemand = simdjson::ondemand;

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

  // Where it is, or stopped.
  Place here() {
    const char* location = nullptr;
    return document_.current_location().get(location) == simdjson::SUCCESS ? place(location)
                                                                           : place(text_.data() + text_.size());
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
      else if ((static_cast<unsigned char>(*at_) & 0xC0) != 0x80)  // the first byte of a character
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

}  // namespace

std::optional<SyntaxError> parse_json(std::string_view text, TreeBuilder& tree) {
  const simdjson::padded_string padded(text);
  Walk walk(padded, tree);
  try {
    walk.document();
    return std::nullopt;
  } catch (const simdjson::simdjson_error& error) {
    return SyntaxError{walk.here(), fmt::format("syntax error in JSON: {}", printable(error.what(), 160))};
  }
}

}  // namespace deltaforge::config
