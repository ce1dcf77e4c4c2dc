#include "server/components.h"

#define COMPONENT(kind, name)        \
  namespace deltaforge::kind::name { \
  void add(Catalogue& catalogue);    \
  }
#include "server/components.def"
#undef COMPONENT

namespace deltaforge::server {

const Catalogue& components() {
  static const Catalogue catalogue = [] {
    Catalogue all;
#define COMPONENT(kind, name) kind::name::add(all);
#include "server/components.def"
#undef COMPONENT
    return all;
  }();
  return catalogue;
}

}  // namespace deltaforge::server
