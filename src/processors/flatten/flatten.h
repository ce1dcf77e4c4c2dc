// Takes the nested objects of `before`, `after` and extensions apart: {"a":{"b":1}} becomes {"a__b":1}. Columns of JSON
// are objects, text that looks like it is text. An event with nothing to take apart stays as it is.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/component.h"
#include "encode/json_names.h"
#include "encode/json_writer.h"
#include "obs/metrics.h"
#include "processors/flatten/config.h"
#include "processors/flatten/members.h"

namespace deltaforge::processors::flatten {

class Flatten final : public Processor {
 public:
  using Config = flatten::Config;

  Flatten(Config, const ProcessorContext&);

  // An event fails at a collision when that is an error, and when a flat object grows beyond reason. With
  // `on_error: fail` that throws Error{undecodable}.
  void process(Batch&) override;

 private:
  enum class Result { same, changed, collided, too_large };

  struct ColumnName {
    std::string text;  // for Members::add
    bool alone;        // no field of another column gets a name that one of this column gets

    // `"name":`
    std::string_view ready() const { return {text.data(), text.size() - encode::JsonWriter::kPadding}; }
    // What stands between the quotes.
    std::string_view name() const { return ready().substr(1, ready().size() - 3); }
  };
  using ColumnNames = std::vector<ColumnName>;

  const ColumnNames& names_of(const TableSchema&);
  ColumnNames make_names(const TableSchema&) const;
  bool is_apart(const Value&) const;
  Result image(const TableSchema&, const Image&, std::string_view shown, Pages&, std::string_view& to);
  Result object(std::string_view json, Pages&, std::string_view& to);
  Result finish(Pages&, std::string_view& to);
  bool opens(char first, std::int64_t depth) const;
  std::size_t members_of(std::string_view json, std::int64_t depth);
  std::size_t items_of(std::string_view json, std::int64_t depth);
  void add_index(std::uint32_t index);
  void take(const Value&, std::int64_t depth);
  std::size_t take_first(std::string_view json, std::int64_t depth);
  void put(const Value&);
  // False: it fails.
  bool flatten(Event&, Pages&);
  bool took(Result, bool& any);
  void fail(Batch&, std::uint32_t index);

  const Config config_;
  const std::string pipeline_;
  std::string separator_;                                 // as in JSON
  std::unordered_map<std::uint64_t, ColumnNames> names_;  // by schema id
  std::pair<std::uint64_t, const ColumnNames*> last_{};   // of them, the one asked for last
  std::string path_;                                      // the name so far
  bool of_envelope_ = false;                              // they are its members, not fields of a row
  encode::JsonNames canonical_;
  Members members_;
  std::string collision_;  // the name that two fields got
  std::string failure_;    // of the event at hand
  const decltype(ProcessorContext::set_aside) set_aside_;
  obs::Counter dropped_;
  Slab out_;
};

void add(Catalogue&);

}  // namespace deltaforge::processors::flatten
