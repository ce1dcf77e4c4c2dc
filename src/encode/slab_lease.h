// A slab of the lane for as long as a sink needs it; the way back is the destructor. Empty when all are at clients.
#pragma once

#include "base/slab.h"

namespace deltaforge::encode {

class SlabLease {
 public:
  explicit SlabLease(SlabPool& pool) : pool_(pool), slab_(pool.take()) {}
  SlabLease(const SlabLease&) = delete;
  SlabLease& operator=(const SlabLease&) = delete;
  ~SlabLease() {
    if (slab_ != nullptr) pool_.give_back(slab_);
  }
  explicit operator bool() const { return slab_ != nullptr; }
  Slab& operator*() const { return *slab_; }
  Slab* operator->() const { return slab_; }

 private:
  SlabPool& pool_;
  Slab* slab_;
};

}  // namespace deltaforge::encode
