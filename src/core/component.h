// How components are found and built. server/components.def lists them; each has add(Catalogue&) that registers its
// class under the `type` of the configuration. Checking is pure; only what was checked can be built.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/report.h"
#include "config/sink_fields.h"
#include "config/spec.h"
#include "core/processor.h"
#include "core/sink.h"
#include "core/source.h"

namespace deltaforge {

struct SourceContext {
  std::string pipeline;
  std::string tenant;
  std::string epoch = "1";
};

struct ProcessorContext {
  std::string pipeline;
  std::string tenant;
  // Null without a journal. Inside process(): an event of the batch that the processor cannot take, as it came in, is a
  // dead letter from here on; the processor drops it. Events go through a processor in order, and it looks at `dropped`
  // when their turn comes: those behind may have to wait.
  std::function<void(const Batch&, std::uint32_t event, std::string reason)> set_aside = {};
  // Null without a journal. Inside process(): of the events [first, last), as they came in, at least one was set aside
  // by this processor when they came before. It is `dropped` now.
  std::function<bool(std::uint32_t first, std::uint32_t last)> had_letter = {};
  std::size_t copiers = 0;  // processors before this one that may give more events than they get
};

// A validated configuration, and the right to build from it. Copyable; building has no limit on how often.
template <class Component, class Context>
struct Maker {
  std::string type;
  std::string id;
  bool required = true;                      // sinks only
  bool needs_journal = false;                // processors only: it makes dead letters
  std::optional<config::SinkFilter> filter;  // sinks only; the lane applies it
  config::HoldLimits hold;                   // sinks only
  std::function<std::unique_ptr<Component>(const Context&)> build;
  std::function<void(config::Echo&)> echo;  // the configuration with defaults filled in and secrets as ***
};
using SourceMaker = Maker<Source, SourceContext>;
using ProcessorMaker = Maker<Processor, ProcessorContext>;
using SinkMaker = Maker<Sink, SinkContext>;

// The types of one component kind.
template <class Component, class Context>
class Registry {
 public:
  using M = Maker<Component, Context>;

  // T has a nested Config with `static const config::Spec<Config>& spec()`, a member `id`, for sinks members `required`
  // and `filter` and the base config::HoldLimits, for processors `type` among the fields, optionally `bool
  // needs_journal() const`, optionally `void check(const config::Node&, config::Report&) const` for rules over several
  // fields, and a constructor T(Config, Context).
  template <class T>
  void add(std::string type) {
    descriptions_[type] = [type] {
      const auto& spec = T::Config::spec();
      return config::Variant{type, spec.summary(), spec.fields()};
    };
    checks_[type] = [type](const config::Node& node, config::Report& report, const std::string& default_id) {
      using Config = typename T::Config;
      auto parsed = std::make_shared<Config>();
      if (!default_id.empty()) parsed->id = default_id;
      Config::spec().parse(node, *parsed, report);
      if constexpr (requires { parsed->check(node, report); }) parsed->check(node, report);
      M maker;
      maker.type = type;
      maker.id = parsed->id;
      if constexpr (requires { parsed->required; }) maker.required = parsed->required;
      if constexpr (requires { parsed->filter; }) maker.filter = parsed->filter;
      if constexpr (std::derived_from<Config, config::HoldLimits>) maker.hold = *parsed;
      if constexpr (requires { parsed->needs_journal(); }) maker.needs_journal = parsed->needs_journal();
      maker.build = [parsed](const Context& context) { return std::make_unique<T>(*parsed, context); };
      maker.echo = [parsed](config::Echo& echo) { Config::spec().echo(*parsed, echo); };
      return maker;
    };
  }
  bool knows(const std::string& type) const { return checks_.contains(type); }
  std::vector<std::string> types() const {
    std::vector<std::string> names;
    for (const auto& [name, check] : checks_) names.push_back(name);
    return names;
  }
  // The fields of each type's `config:` map, for schemas and reference pages.
  std::vector<config::Variant> describe() const {
    std::vector<config::Variant> all;
    for (const auto& [name, description] : descriptions_) all.push_back(description());
    return all;
  }
  // `node` is the component's `config:` map. Problems go to the report; the Maker is usable only when there are none.
  // `default_id` is the component's id when the map gives none.
  M check(const std::string& type, const config::Node& node, config::Report& report,
          const std::string& default_id = {}) const {
    return checks_.at(type)(node, report, default_id);
  }

 private:
  std::map<std::string, std::function<config::Variant()>> descriptions_;
  std::map<std::string, std::function<M(const config::Node&, config::Report&, const std::string&)>> checks_;
};

struct Catalogue {
  Registry<Source, SourceContext> sources;
  Registry<Processor, ProcessorContext> processors;
  Registry<Sink, SinkContext> sinks;
};

}  // namespace deltaforge
