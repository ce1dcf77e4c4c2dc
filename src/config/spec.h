// Spec<T>: each field of a configuration struct declared once. From it come parsing with all problems at once, the
// redacted echo, and the metadata for JSON Schema and reference pages. Built once, then read by any thread.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/nested.h"
#include "config/read.h"
#include "config/spec_base.h"

namespace deltaforge::config {

template <class T>
class Spec : public SpecBase {
 public:
  Spec(std::string name, std::string summary) : SpecBase(std::move(name), std::move(summary)) {}

  template <class M, class C>
  requires std::derived_from<T, C> Spec& field(std::string name, M C::*member, std::string help,
                                               FieldOptions options = {}) {
    return put(
        {{{std::string(type_name(static_cast<const M*>(nullptr)))}, std::move(name), {}, std::move(help), options},
         [member, options](const Node& node, void* object, Report& report) {
           config::read(node, static_cast<T*>(object)->*member, options, report);
         },
         echo_of(member)});
  }

  // An enum, or std::optional of one.
  template <class M, class C>
  requires std::derived_from<T, C> Spec& choice(
      std::string name, M C::*member, std::string help,
      std::initializer_list<std::pair<std::string_view, typename Unwrapped<M>::Type>> choices,
      FieldOptions options = {}) {
    using E = typename Unwrapped<M>::Type;
    std::vector<std::string> names;
    std::vector<E> values;
    for (const auto& [text, value] : choices) {
      names.emplace_back(text);
      values.push_back(value);
    }
    return put({{{"choice", names}, std::move(name), {}, std::move(help), options},
                [member, names, values](const Node& node, void* object, Report& report) {
                  if (auto i = read_choice(node, names, report)) static_cast<T*>(object)->*member = values[*i];
                },
                [member, names, values](const void* object, Echo& to) {
                  const std::optional<E> value = static_cast<const T*>(object)->*member;
                  for (std::size_t i = 0; i < values.size(); ++i) {
                    if (value == values[i]) return to.string(names[i]);
                  }
                  to.null();
                }});
  }

  // A struct with a spec() of its own (and a check() of its own, if it has one), std::optional or std::vector of it.
  template <class M, class C>
  requires std::derived_from<T, C> Spec& nested(std::string name, M C::*member, std::string help,
                                                FieldOptions options = {}) {
    Shape shape = Unwrapped<M>::Type::spec().shape(nested_type_name(static_cast<const M*>(nullptr)));
    return put({{std::move(shape), std::move(name), {}, std::move(help), options},
                [member, options](const Node& node, void* object, Report& report) {
                  read_nested(node, static_cast<T*>(object)->*member, options, report);
                },
                [member](const void* object, Echo& to) { echo_nested(static_cast<const T*>(object)->*member, to); }});
  }

  // Any type with a reader of its own: void(const Node&, M& out, Report&). Types that config/read.h cannot show need
  // `show`, void(const M&, Echo&), or they are left out of the echo.
  template <class M, class C>
  requires std::derived_from<T, C> Spec& custom(
      std::string name, M C::*member, std::string help,
      std::function<void(const Node&, std::type_identity_t<M>&, Report&)> reader, FieldOptions options = {},
      std::function<void(const std::type_identity_t<M>&, Echo&)> show = {}) {
    auto shown = echo_of(member);
    if (show) {
      shown = [member, show = std::move(show)](const void* object, Echo& to) {
        show(static_cast<const T*>(object)->*member, to);
      };
    }
    return put({{{"custom"}, std::move(name), {}, std::move(help), options},
                [member, reader = std::move(reader)](const Node& node, void* object, Report& report) {
                  reader(node, static_cast<T*>(object)->*member, report);
                },
                std::move(shown)});
  }

  // What the field declared last looks like, where its type alone does not say: of custom() and of Node.
  Spec& shaped(Shape shape) {
    reshape(std::move(shape));
    return *this;
  }

  // Fields that are absent or wrong keep what `out` holds.
  void parse(const Node& node, T& out, Report& report) const { parse_fields(node, &out, report); }
  // Writes one JSON object.
  void echo(const T& value, Echo& to) const { echo_fields(&value, to); }

 private:
  Spec& put(Field field) {
    const T defaults{};
    add(std::move(field), &defaults);
    return *this;
  }

  template <class M, class C>
  static std::function<void(const void*, Echo&)> echo_of(M C::*member) {
    if constexpr (requires(const M& value, Echo& to) { config::echo(value, to); }) {
      return [member](const void* object, Echo& to) { config::echo(static_cast<const T*>(object)->*member, to); };
    } else {
      return {};
    }
  }
};

}  // namespace deltaforge::config
