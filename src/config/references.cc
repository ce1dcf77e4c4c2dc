#include "config/references.h"

#include <utility>

namespace deltaforge::config {

std::vector<Piece> split_references(std::string_view text) {
  std::vector<Piece> pieces;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) pieces.push_back({Piece::Kind::literal, std::move(literal), {}});
    literal.clear();
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("$${")) {
      literal += "${";
      at += 3;
    } else if (rest.starts_with("${")) {
      flush();
      const std::size_t end = rest.find('}');
      if (end == std::string_view::npos) {
        pieces.push_back({Piece::Kind::unclosed, {}, {}});
        return pieces;
      }
      const std::string_view inside = rest.substr(2, end - 2);
      Piece piece{Piece::Kind::reference, std::string(inside), {}};
      if (const std::size_t mark = inside.find(":-"); mark != std::string_view::npos) {
        piece.text = inside.substr(0, mark);
        piece.fallback = inside.substr(mark + 2);
      }
      pieces.push_back(std::move(piece));
      at += end + 1;
    } else {
      literal += rest.front();
      ++at;
    }
  }
  flush();
  return pieces;
}

}  // namespace deltaforge::config
