// The JSON columns of a PARTIAL_UPDATE_ROWS event: not the new document, but what makes it of the old one.
//
// A diff is an operation (0 replace, 1 insert, 2 remove), a path and, unless it removes, a binary document; path and
// document each behind their packed length. Each diff sees what those before it left. A column that did not change
// comes without any.
//
// The server's own rules hold: a path names exactly one value (no wildcards, a scalar is no array of one); replace and
// remove need it to be there; insert needs the object without that key, or the array, which an index past its end
// makes longer by one. The root is never inserted or removed.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/pages.h"

namespace deltaforge::sources::mysql {

// before: the binary document of the before-image. diffs: the column of the after-image without the four bytes of its
// size. The text of the new document, in `to`. The offset of a failure is that in `diffs`, or in `before` when the
// reason says so. Any thread; allocates, in proportion to the containers that change.
Result<std::string_view> apply_json_diff(Bytes before, Bytes diffs, Pages& to);

}  // namespace deltaforge::sources::mysql
