// Every item of a queue of the store, oldest first, a page at a time. Throws Error{storage}.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/store.h"

namespace deltaforge::pipeline {

// `f` may remove the item that it is given.
template <class F>
void for_each_item(Store& store, std::string_view ns, std::string_view queue, F&& f) {
  constexpr std::size_t kPage = 64;
  std::uint64_t after_seq = 0;
  for (;;) {
    const auto items = store.peek(ns, queue, kPage, after_seq);
    if (items.empty()) return;
    after_seq = items.back().seq;
    for (const Store::Item& item : items) f(item);
  }
}

}  // namespace deltaforge::pipeline
