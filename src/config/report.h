// Everything that is wrong with a configuration, collected so that the user sees all of it at once. Not shared between
// threads. Messages never hold the value of a secret.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace deltaforge::config {

struct Problem {
  std::string file;
  Place place;
  std::string path;  // may be empty: the text as a whole
  std::string message;

  // "pipe.yaml:5:7: sinks[0].config.strem: unknown field, did you mean 'stream'?"; a leading "spec." is left out.
  std::string text() const;
};

class Report {
 public:
  // `message` says what is wrong and what to write instead; file, place and path come from the node.
  void add(const Node& node, std::string message);
  // About `field` of the map: at its value when there is one, else at the map.
  void add(const Node& map, std::string_view field, std::string message);
  void add(Problem problem);

  const std::vector<Problem>& problems() const { return problems_; }
  bool ok() const { return problems_.empty(); }
  // One problem a line, in the order of the files' lines.
  std::string text() const;

 private:
  std::vector<Problem> problems_;
};

}  // namespace deltaforge::config
