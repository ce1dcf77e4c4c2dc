#include "processors/flatten/config.h"

namespace deltaforge::processors::flatten {

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("flatten", "Makes nested objects of `before` and `after` into fields with joined names.");
    const auto on_empty = {std::pair<std::string_view, OnEmpty>{"preserve", OnEmpty::preserve},
                           {"drop", OnEmpty::drop},
                           {"null", OnEmpty::null}};
    spec.choice("type", &Config::type, "`flatten`.", {{"flatten", Type::flatten}}, {.required = true})
        .field("id", &Config::id, "Name in metrics and messages.", {.min = 1})
        .field("separator", &Config::separator, "Between the parts of a name.", {.min = 1, .max = 16})
        .field("max_depth", &Config::max_depth,
               "Levels that are taken apart; what is nested deeper stays whole. Without it: all.",
               {.min = 0, .max = 1'000})
        .choice("on_collision", &Config::on_collision,
                "What wins when two fields get one name; with `error` the event fails.",
                {{"last", OnCollision::last}, {"first", OnCollision::first}, {"error", OnCollision::error}})
        .choice("empty_object", &Config::empty_object, "What becomes of `{}`.", on_empty)
        .choice("lists", &Config::lists, "Whether lists stay whole, or become `name__0`, `name__1`.",
                {{"preserve", Lists::preserve}, {"index", Lists::index}})
        .choice("empty_list", &Config::empty_list, "What becomes of `[]`.", on_empty)
        .choice("on_error", &Config::on_error,
                "What becomes of an event that fails: the pipeline stops before it, it becomes a dead letter, or it is "
                "dropped.",
                {{"fail", OnError::fail}, {"dlq", OnError::dlq}, {"drop", OnError::drop}});
    return spec;
  }();
  return s;
}

}  // namespace deltaforge::processors::flatten
