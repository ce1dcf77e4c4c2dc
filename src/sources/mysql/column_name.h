// The type of a column in the words of SQL: "int unsigned", "decimal(10,2)", "enum('a','b')". For people.
#pragma once

#include <string>

#include "sources/mysql/table_map.h"

namespace deltaforge::sources::mysql {

std::string column_type_name(const TableColumn&);

}  // namespace deltaforge::sources::mysql
