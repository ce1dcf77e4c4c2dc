// Settings of outbox.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/spec.h"
#include "core/processor.h"

namespace deltaforge::processors::outbox {

// Names of the columns, or members of a message, that hold what an application's event is made of.
struct Columns {
  std::string payload = "payload";
  std::string aggregate_type = "aggregate_type";
  std::string aggregate_id = "aggregate_id";
  std::string event_type = "event_type";
  std::string topic = "topic";
  std::string event_id = "id";

  static const config::Spec<Columns>& spec();
};

struct Config {
  enum class Type { outbox };

  Type type = Type::outbox;
  std::string id = "outbox";
  std::vector<config::TablePattern> tables;  // empty: all
  // Their variables are columns of the outbox.
  std::optional<config::Template> topic, default_topic, key;
  bool raw_payload = false;
  bool strict = false;
  OnError on_error = OnError::fail;
  Columns columns;
  std::map<std::string, std::string> additional_headers;  // name -> column

  static const config::Spec<Config>& spec();
  void check(const config::Node&, config::Report&) const;
  bool needs_journal() const { return on_error == OnError::dlq; }
};

}  // namespace deltaforge::processors::outbox
