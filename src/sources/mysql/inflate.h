// What MariaDB compresses on its way into the log (zlib).
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/pages.h"

namespace deltaforge::sources::mysql {

// The compressed part of an event (log_bin_compress): the rows of types 166 to 171, the text of type 165.
//   u8: 0x80, algorithm << 4 (0 zlib), bytes of the size (1 to 4) | size, big-endian | zlib stream
Result<Bytes> inflate_mariadb(Bytes, Pages&);

// A value of a COMPRESSED column, without the length before it. False: it is damaged.
//   nothing: an empty value | u8 0, the value itself
//   u8: 0x80, 0x08 when the stream has no zlib header, bytes of the size | size, big-endian | deflate stream
bool inflate_column(Bytes, Pages&, Bytes& value);

}  // namespace deltaforge::sources::mysql
