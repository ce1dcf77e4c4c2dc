#include "storage/memory_store.h"

#include "storage/testing/store_contract.h"

namespace deltaforge::storage::testing {
namespace {

class MemorySetup {
 public:
  Store& store() { return store_; }
  void reopen() {}

 private:
  MemoryStore store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, StoreContract, MemorySetup);

}  // namespace
}  // namespace deltaforge::storage::testing
