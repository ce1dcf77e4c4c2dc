#include "server/document.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/spec.h"
#include "config/wording.h"
#include "encode/make_encoder.h"
#include "server/later_blocks.h"
#include "server/later_types.h"
#include "server/storage_options.h"

namespace deltaforge::server {

using config::Echo;
using config::Node;
using config::Report;
using config::Shape;

namespace {

// --- the shape of a document ---

bool is_pipeline_name(std::string_view name) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

struct Metadata {
  std::string name, tenant;
  std::map<std::string, std::string> labels, annotations;

  static const config::Spec<Metadata>& spec() {
    static const auto s =
        config::Spec<Metadata>("metadata", "What the pipeline is called.")
            .field("name", &Metadata::name, "Unique name, used in routes, metrics and stored positions.",
                   {.required = true})
            .field("tenant", &Metadata::tenant, "Whose data it is; `tenant_id` of events.",
                   {.required = true, .min = 1, .max = 128})
            .field("labels", &Metadata::labels, "Words to filter by, and labels of deltaforge_pipeline_info.")
            .field("annotations", &Metadata::annotations, "Free text.");
    return s;
  }

  void check(const Node& node, Report& report) const {
    if (node.find("name") != nullptr && !is_pipeline_name(name))
      report.add(node, "name", "not a pipeline name: use 1 to 63 of a-z 0-9 . _ -, beginning with a letter or a digit");
  }
};

struct Component {
  std::string type;
  Node config;

  static const config::Spec<Component>& spec() {
    static const auto s = config::Spec<Component>("component", "A source or a sink.")
                              .field("type", &Component::type, "Which one.", {.required = true})
                              .field("config", &Component::config, "A map of its own fields.", {.required = true});
    return s;
  }
};

struct Body {
  Component source;
  std::vector<Component> sinks;
  pipeline::BatchOptions batch;
  pipeline::CommitPolicy commit_policy;
  std::optional<std::int64_t> sink_batch_deadline_secs;
  Node processors;
  std::optional<Sharding> sharding;
  std::optional<ConnectionPolicy> connection_policy;
  SchemaSensing schema_sensing;
  pipeline::JournalOptions journal;

  static const config::Spec<Body>& spec() {
    static const auto s =
        config::Spec<Body>("spec", "What the pipeline does.")
            .nested("source", &Body::source, "Where changes are read.", {.required = true})
            .field("processors", &Body::processors, "What happens to events on their way, in order.")
            .nested("sinks", &Body::sinks, "Where changes go.", {.required = true, .min = 1})
            .nested("batch", &Body::batch, "When a batch is cut, and how much may be in flight.")
            .nested("commit_policy", &Body::commit_policy, "Which sinks must acknowledge.")
            .field("sink_batch_deadline_secs", &Body::sink_batch_deadline_secs,
                   "Time that a sink may take for one batch, before it is connected anew and sent the batch again. "
                   "Without it: the sink's own time-outs alone.",
                   {.min = 1, .max = 86'400})
            .nested("sharding", &Body::sharding, "A hint; not used.")
            .nested("connection_policy", &Body::connection_policy, "A hint; not used.")
            .nested("schema_sensing", &Body::schema_sensing, "Learns the shape of JSON payloads; not in this build.")
            .nested("journal", &Body::journal, "Dead letters.");
    return s;
  }
};

enum class Only { one };  // of a choice that has one value

struct Root {
  Only api_version = Only::one, kind = Only::one;
  Metadata metadata;
  Body spec_body;
  Node storage;

  static const config::Spec<Root>& spec() {
    static const auto s =
        config::Spec<Root>("document", "A pipeline.")
            .choice("apiVersion", &Root::api_version, "Version of this format.", {{"deltaforge/v1", Only::one}})
            .choice("kind", &Root::kind, "What the document is.", {{"Pipeline", Only::one}})
            .nested("metadata", &Root::metadata, "What the pipeline is called.", {.required = true})
            .nested("spec", &Root::spec_body, "What the pipeline does.", {.required = true})
            .field("storage", &Root::storage,
                   "Where positions are kept: one for the whole process, in one of its documents. It may stand alone.")
            .shaped(StorageOptions::spec().shape());
    return s;
  }
};

// --- its components ---

constexpr std::string_view kNotInThisBuild = "not in this build: ";

std::string not_a(std::string_view wanted, const Node& found) {
  return fmt::format("expected a {}, found {}", wanted, to_string(found.kind()));
}

// Why there is no such type.
std::string no_such_type(std::string_view kind, const std::string& type, const std::vector<std::string>& types) {
  std::string known = types.empty() ? "there are none, remove it" : "choose from: " + config::join(types);
  if (comes_later(kind, type)) return fmt::format("{}{} {}; {}", kNotInThisBuild, kind, type, known);
  return fmt::format("unknown {} {}{}", kind, config::quoted(type), config::did_you_mean(type, types, ", " + known));
}

// The part of a document that is checked against the catalogue.
class Assembly {
 public:
  Assembly(const Catalogue& catalogue, Document& document) : catalogue_(catalogue), document_(document) {}

  void take(const Node& node, Body& body, pipeline::PipelineSpec& to) {
    if (const Node* source = node.find("source"))
      take_component("source", *source, body.source, 0, catalogue_.sources, to.source);
    take_processors(body.processors, to);
    take_sinks(node, body, to);
    check_policy(node, body);
    check_journal(body, to);
    for (const char* unused : {"sharding", "connection_policy"})
      if (const Node* given = node.find(unused); given != nullptr && !given->is_null())
        document_.warnings.add(*given, "warning: accepted and not used; remove it");
  }

 private:
  template <class M, class Kinds>
  void take_component(std::string_view kind, const Node& node, const Component& component, std::size_t index,
                      const Kinds& known, M& to) {
    if (component.type.empty()) return;  // reported already
    if (!known.knows(component.type)) {
      document_.problems.add(node, "type", no_such_type(kind, component.type, known.types()));
      return;
    }
    if (!component.config.is_map()) {
      if (!component.config.is_null()) document_.problems.add(component.config, not_a("map", component.config));
      return;
    }
    std::string derived = component.type + "-" + std::to_string(index);
    to = known.check(component.type, component.config, document_.problems, derived);
    if (component.config.find("id") == nullptr)
      document_.warnings.add(component.config, "warning: no id, '" + derived +
                                                   "' is used; positions are stored under it, so give it a fixed one");
    check_id(component.config, to.id);
  }

  void check_id(const Node& config, const std::string& id) {
    bool fits = !id.empty() && id.size() <= 128 && id.find("::") == std::string::npos &&
                std::ranges::none_of(id, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (!fits) document_.problems.add(config, "id", "not an id: use 1 to 128 characters, none of control, no '::'");
  }

  void take_sinks(const Node& node, const Body& body, pipeline::PipelineSpec& to) {
    const Node* sinks = node.find("sinks");
    if (sinks == nullptr || sinks->children().size() != body.sinks.size()) return;  // reported already
    std::set<std::string> ids;
    for (std::size_t i = 0; i < body.sinks.size(); ++i) {
      const Node& sink = sinks->children()[i];
      SinkMaker maker;
      take_component("sink", sink, body.sinks[i], i, catalogue_.sinks, maker);
      if (!maker.id.empty() && !ids.insert(maker.id).second)
        document_.problems.add(body.sinks[i].config, "id",
                               "id '" + maker.id + "' is taken by another sink; rename one");
      to.sinks.push_back(std::move(maker));
    }
  }

  // A processor's fields stand beside its type.
  void take_processors(const Node& processors, pipeline::PipelineSpec& to) {
    if (processors.is_null()) return;
    if (!processors.is_list()) {
      document_.problems.add(processors, not_a("list", processors));
      return;
    }
    const auto& known = catalogue_.processors;
    std::set<std::string> ids;
    for (const Node& entry : processors.children()) {
      const Node* type = entry.find("type");
      if (type == nullptr || !type->is_scalar()) {
        document_.problems.add(entry, "a processor needs a type");
      } else if (!known.knows(type->text())) {
        document_.problems.add(*type, no_such_type("processor", type->text(), known.types()));
      } else {
        // Several of one type need no ids; their order tells them apart.
        std::string derived = type->text();
        for (int number = 2; ids.contains(derived); ++number) derived = fmt::format("{}-{}", type->text(), number);
        ProcessorMaker maker = known.check(type->text(), entry, document_.problems, derived);
        if (!ids.insert(maker.id).second)
          document_.problems.add(entry, "id", "id '" + maker.id + "' is taken by another processor; give each its own");
        check_id(entry, maker.id);
        to.processors.push_back(std::move(maker));
      }
    }
  }

  void check_policy(const Node& node, const Body& body) {
    const Node* policy = node.find("commit_policy");
    if (policy == nullptr || body.commit_policy.mode != pipeline::CommitMode::quorum) return;
    auto sinks = static_cast<std::int64_t>(body.sinks.size());
    if (!body.commit_policy.quorum)
      document_.problems.add(*policy, fmt::format("mode quorum needs the field `quorum`: write 1 to {}", sinks));
    else if (sinks > 0 && body.commit_policy.quorum > sinks)
      document_.problems.add(*policy, "quorum", fmt::format("more than the {} there are: write 1 to {}", sinks, sinks));
  }

  // Who makes dead letters needs somebody who keeps them, and what is kept should be masked.
  void check_journal(const Body& body, const pipeline::PipelineSpec& spec) {
    const auto& made = spec.processors;
    if (!body.processors.is_list() || body.processors.children().size() != made.size()) return;  // reported already
    const auto is_mask = [](const ProcessorMaker& each) { return each.type == "mask"; };
    for (std::size_t i = 0; i < made.size(); ++i) {
      const Node& node = body.processors.children()[i];
      if (made[i].needs_journal && !body.journal.enabled)
        document_.problems.add(node, "on_error",
                               "dlq needs a journal: write `journal: {enabled: true}` into spec, or fail or drop here");
      if (body.journal.enabled && !is_mask(made[i]) &&
          std::any_of(made.begin() + static_cast<long>(i), made.end(), is_mask))
        document_.warnings.add(node,
                               "warning: what this processor refuses is kept in the journal as it comes, unmasked: "
                               "put mask before it");
    }
  }

  const Catalogue& catalogue_;
  Document& document_;
};

std::string echo_of(const Metadata& metadata, const pipeline::PipelineSpec& spec) {
  Echo echo;
  auto component = [&echo](const auto& maker) {
    echo.begin_map();
    echo.key("type");
    echo.string(maker.type);
    echo.key("config");
    maker.echo(echo);
    echo.end_map();
  };
  echo.begin_map();
  echo.key("metadata");
  Metadata::spec().echo(metadata, echo);
  echo.key("spec");
  echo.begin_map();
  echo.key("source");
  component(spec.source);
  echo.key("processors");
  echo.begin_list();
  for (const ProcessorMaker& processor : spec.processors) processor.echo(echo);
  echo.end_list();
  echo.key("sinks");
  echo.begin_list();
  for (const SinkMaker& sink : spec.sinks) component(sink);
  echo.end_list();
  echo.key("batch");
  pipeline::BatchOptions::spec().echo(spec.batch, echo);
  echo.key("commit_policy");
  pipeline::CommitPolicy::spec().echo(spec.commit_policy, echo);
  echo.key("journal");
  pipeline::JournalOptions::spec().echo(spec.journal, echo);
  echo.key("sink_batch_deadline_secs");
  if (spec.sink_batch_deadline)
    echo.number(std::int64_t{spec.sink_batch_deadline->count()});
  else
    echo.null();
  echo.end_map();
  echo.end_map();
  return echo.text();
}

}  // namespace

Document check_document(const Node& root, const std::string& fallback_name, const Catalogue& catalogue) {
  Document document;
  document.name = document.fallback_name = fallback_name;
  document.file = root.file();
  document.root = root;
  Root parsed;
  Report& problems = document.problems;
  Root::spec().parse(root, parsed, problems);

  pipeline::PipelineSpec spec;
  if (const Node* body = root.find("spec"); body != nullptr && body->is_map())
    Assembly(catalogue, document).take(*body, parsed.spec_body, spec);

  if (is_pipeline_name(parsed.metadata.name)) document.name = parsed.metadata.name;
  document.labels = parsed.metadata.labels;
  if (!problems.ok()) return document;

  spec.name = parsed.metadata.name;
  spec.tenant = parsed.metadata.tenant;
  spec.batch = parsed.spec_body.batch;
  spec.commit_policy = parsed.spec_body.commit_policy;
  spec.journal = parsed.spec_body.journal;
  spec.journal_encoder = [tenant = spec.tenant] { return encode::make_encoder({}, {}, tenant); };
  if (auto deadline = parsed.spec_body.sink_batch_deadline_secs)
    spec.sink_batch_deadline = std::chrono::seconds(*deadline);
  document.echo = echo_of(parsed.metadata, spec);
  document.spec = std::move(spec);
  return document;
}

config::Shape document_shape(const Catalogue& catalogue) {
  Shape root = Root::spec().shape();
  auto field = [](Shape& of, std::string_view name) -> config::FieldInfo& {
    return *std::ranges::find(of.fields, name, &config::FieldInfo::name);
  };
  Shape& body = field(root, "spec");
  auto one_of = [&](const char* name, const char* kind, const char* type, std::vector<config::Variant> variants) {
    for (config::Variant& variant : variants) {
      config::FieldInfo config{{.type = "map",
                                .map_name = fmt::format("{}.{}.config", kind, variant.type),
                                .map_summary = variant.summary,
                                .fields = std::move(variant.fields)},
                               "config",
                               {},
                               "Its own fields.",
                               {.required = true}};
      variant.fields = {std::move(config)};
    }
    static_cast<Shape&>(field(body, name)) = {.type = type, .map_name = kind, .variants = std::move(variants)};
  };
  one_of("source", "source", "map", catalogue.sources.describe());
  static_cast<Shape&>(field(body, "processors")) = {
      .type = "list of maps", .map_name = "processor", .variants = catalogue.processors.describe()};
  one_of("sinks", "sink", "list of maps", catalogue.sinks.describe());
  return root;
}

pipeline::ErrorInfo Document::error() const {
  const auto& all = problems.problems();
  if (all.empty()) return {};
  bool unsupported =
      std::ranges::all_of(all, [](const auto& problem) { return problem.message.starts_with(kNotInThisBuild); });
  std::string message = all.front().text();
  if (all.size() > 1) message += " (and " + std::to_string(all.size() - 1) + " more)";
  return {unsupported ? "unsupported" : "config", message, "deltaforge validate " + file + " shows all of it"};
}

}  // namespace deltaforge::server
