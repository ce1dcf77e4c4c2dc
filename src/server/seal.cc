#include "server/seal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/check.h"
#include "base/error.h"
#include "base/fd.h"

namespace deltaforge::server {
namespace {

constexpr int kNonce = 12, kTag = 16;

[[noreturn]] void fail(const std::string& doing, const std::string& why, const std::string& hint = {}) {
  throw Error(ErrorKind::storage, doing + ": " + why, hint);
}
[[noreturn]] void fail(const std::string& doing, int code) { fail(doing, std::generic_category().message(code)); }

void random_bytes(unsigned char* to, int size) {
  if (RAND_bytes(to, size) != 1) fail("drawing random bytes", "the system has none");
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// Empty when it is none.
std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One pass of AES-256-GCM over `text` in place. False: the tag is not that of the text.
bool crypt(bool closing, const unsigned char* key, std::string& text, const unsigned char* nonce, unsigned char* tag,
           std::string_view name) {
  std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(EVP_CIPHER_CTX_new());
  auto* bytes = reinterpret_cast<unsigned char*>(text.data());
  int size = 0;
  const auto must = [](int result) { DF_CHECK(result == 1, "AES-256-GCM is not to be had"); };
  must(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key, nonce, closing ? 1 : 0));
  must(EVP_CipherUpdate(context.get(), nullptr, &size, reinterpret_cast<const unsigned char*>(name.data()),
                        static_cast<int>(name.size())));
  if (!closing) must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag));
  must(EVP_CipherUpdate(context.get(), bytes, &size, bytes, static_cast<int>(text.size())));
  if (EVP_CipherFinal_ex(context.get(), bytes + size, &size) != 1) return false;
  if (closing) must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, tag));
  return true;
}

void write_durably(const std::string& path, const unsigned char* bytes, std::size_t size) {
  const std::string fresh = path + ".new", doing = "making the key " + path;
  {
    ::unlink(fresh.c_str());
    Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), bytes, size) != static_cast<ssize_t>(size) || ::fsync(file.get()) != 0)
      fail(doing, errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) fail(doing, errno);
  const std::string directory = std::filesystem::path(path).parent_path().string();
  Fd parent(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) fail(doing, errno);
}

}  // namespace

const Seal::Key& Seal::key(bool may_make) {
  if (has_key_) return key_;
  const std::string doing = "reading the key " + key_file_;
  Fd file(key_file_.empty() ? -1 : ::open(key_file_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) fail(doing, errno);
    if ((status.st_mode & 07) != 0) fail(doing, "others may read it", "chmod o= " + key_file_);
    if (status.st_size != static_cast<off_t>(key_.size()) ||
        ::read(file.get(), key_.data(), key_.size()) != static_cast<ssize_t>(key_.size()))
      fail(doing, "it does not hold 32 bytes", "restore it from a backup");
  } else {
    if (!key_file_.empty() && errno != ENOENT) fail(doing, errno);
    if (!may_make)
      fail(doing, "there is none",
           "restore it from a backup, or delete and create again the pipelines that were made through the API");
    random_bytes(key_.data(), static_cast<int>(key_.size()));
    if (!key_file_.empty()) write_durably(key_file_, key_.data(), key_.size());
  }
  has_key_ = true;
  return key_;
}

std::string Seal::close(std::string_view text, std::string_view name, bool may_make_key) {
  std::string head(kNonce + kTag, '\0'), body(text);
  auto* nonce = reinterpret_cast<unsigned char*>(head.data());
  random_bytes(nonce, kNonce);
  crypt(true, key(may_make_key).data(), body, nonce, nonce + kNonce, name);
  return base64(head + body);
}

std::string Seal::open(std::string_view sealed, std::string_view name) {
  std::string bytes = from_base64(sealed);
  std::string text = bytes.size() < kNonce + kTag ? std::string() : bytes.substr(kNonce + kTag);
  auto* nonce = reinterpret_cast<unsigned char*>(bytes.data());
  if (bytes.size() < kNonce + kTag || !crypt(false, key(false).data(), text, nonce, nonce + kNonce, name))
    fail("opening what was sealed with the key " + key_file_, "it was changed, or the key is another one",
         "restore the key file that belongs to this state directory");
  return text;
}

}  // namespace deltaforge::server
