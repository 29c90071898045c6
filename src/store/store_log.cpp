// The log files of RocksDB: a file system that passes everything through but "*.log" of one directory.
//
// A log file writes through until a write fails. What failed and all that follows is its `tail`: bytes that RocksDB
// counts as written. Every sync first tries to write the tail, at its place (a failed write may have left some of it,
// and moved the file's position by an unknown amount).
//
// RocksDB itself syncs a log only before it installs a flush that made the log's rows files (so that no file is ever
// ahead of the log). That sync waits for room a moment and then fails the flush, which the store recovers from; it is
// never told that all is well when it is not. No other call of RocksDB on a log fails, and the one file writer that
// saw this failure is not used again before the database is reopened: the error is one that stops background work.
//
// A failed fsync is final for its file: the kernel has dropped the pages, and the next fsync would report success.
//
// Invariants: 1. accepted = written + tail; synced <= written; 2. a file is in `files` from its creation to its Close;
// 3. locks: files_mutex before a file's mutex; neither is held during a sync; a file being synced by store_log_sync is
// pinned, and its Close waits for that.
#include "store/store_log.h"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/perf_level.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB's C interface can take an environment and has no call to make one of a file system: this is what it keeps
// behind the name, unchanged since its first version. A test opens a store and fills its disk, which fails otherwise.
struct rocksdb_env_t {
  rocksdb::Env *rep;
  bool is_default;
};

namespace {

constexpr auto FLUSH_WAIT = std::chrono::seconds(2);
constexpr auto FLUSH_STEP = std::chrono::milliseconds(20);

class LogFile;

struct Files {
  std::string directory;
  std::mutex files_mutex;
  std::condition_variable unpinned;
  std::vector<LogFile *> files;                  // oldest first
  std::atomic<uint64_t> waiting = 0;             // files with a tail
  std::atomic<bool> is_new_in_directory = false; // a file's name may not survive a crash
};

class LogFile : public rocksdb::FSWritableFileOwnerWrapper {
public:
  LogFile(std::unique_ptr<FSWritableFile> &&file, Files *files)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files) {
    std::lock_guard<std::mutex> lock(files_->files_mutex);
    files_->files.push_back(this);
    files_->is_new_in_directory = true;
  }

  ~LogFile() override { leave(); }

  IOStatus Append(const Slice &data, const IOOptions &options, IODebugContext *dbg) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!moved_) {
      if (target()->Append(data, options, dbg).ok()) {
        written_ += data.size();
        return IOStatus::OK();
      }
      moved_ = true;
    }
    if (tail_.empty() && target()->PositionedAppend(data, written_, options, dbg).ok()) {
      written_ += data.size();
      return IOStatus::OK();
    }
    return keep(data);
  }

  IOStatus Append(const Slice &data, const IOOptions &options, const rocksdb::DataVerificationInfo &,
                  IODebugContext *dbg) override {
    return Append(data, options, dbg);
  }

  // By RocksDB, before a flush.
  IOStatus Sync(const IOOptions &options, IODebugContext *dbg) override {
    auto until = std::chrono::steady_clock::now() + FLUSH_WAIT;
    for (;;) {
      IOStatus status = sync(options, dbg);
      if (!status.IsNoSpace() || std::chrono::steady_clock::now() > until) {
        // Without the word for "full": RocksDB would go on by itself with a writer that has failed.
        return status.ok() ? status : IOStatus::IOError("the log cannot be synced");
      }
      std::this_thread::sleep_for(FLUSH_STEP);
    }
  }

  IOStatus Fsync(const IOOptions &options, IODebugContext *dbg) override { return Sync(options, dbg); }

  IOStatus Close(const IOOptions &options, IODebugContext *dbg) override {
    leave();
    return target()->Close(options, dbg);
  }

  // NoSpace when the tail cannot be written, whatever the disk said.
  IOStatus sync(const IOOptions &options, IODebugContext *dbg) {
    uint64_t reached;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (failed_) return IOStatus::IOError("an earlier sync failed");
      if (!write_tail(options, dbg)) return IOStatus::NoSpace("the log waits for room");
      reached = written_;
      if (synced_ >= reached) return IOStatus::OK();
    }
    IOStatus status = target()->Sync(options, dbg);
    std::lock_guard<std::mutex> lock(mutex_);
    if (!status.ok()) failed_ = true;
    // Two may sync at once: the failure of one is the other's too.
    if (failed_) return IOStatus::IOError("a sync failed");
    synced_ = std::max(synced_, reached);
    return status;
  }

  uint64_t pins = 0; // under files_mutex

private:
  IOStatus keep(const Slice &data) {
    bool was_empty = tail_.empty();
    try {
      tail_.append(data.data(), data.size());
    } catch (const std::bad_alloc &) {
      return IOStatus::IOError("no memory for what the disk has no room for");
    }
    if (was_empty && !tail_.empty()) files_->waiting++;
    return IOStatus::OK();
  }

  bool write_tail(const IOOptions &options, IODebugContext *dbg) {
    if (tail_.empty()) return true;
    if (!target()->PositionedAppend(Slice(tail_), written_, options, dbg).ok()) return false;
    written_ += tail_.size();
    std::string().swap(tail_);
    files_->waiting--;
    return true;
  }

  void leave() {
    std::unique_lock<std::mutex> lock(files_->files_mutex);
    auto place = std::find(files_->files.begin(), files_->files.end(), this);
    if (place == files_->files.end()) return;
    files_->unpinned.wait(lock, [this] { return pins == 0; });
    files_->files.erase(std::find(files_->files.begin(), files_->files.end(), this));
    std::lock_guard<std::mutex> file_lock(mutex_);
    write_tail(IOOptions(), nullptr);
    if (!tail_.empty()) files_->waiting--;
  }

  Files *files_;
  std::mutex mutex_;
  std::string tail_;
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  bool moved_ = false; // the file's own position is unknown
  bool failed_ = false;
};

// Any other file. A write that fails, and all that follow, are told by the sync: RocksDB ends the process too when it
// writes again to another file that refused a write, and syncs every file before it relies on it.
class OtherFile : public rocksdb::FSWritableFileOwnerWrapper {
public:
  explicit OtherFile(std::unique_ptr<FSWritableFile> &&file) : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const Slice &data, const IOOptions &options, IODebugContext *dbg) override {
    if (error_.ok()) error_ = target()->Append(data, options, dbg);
    return IOStatus::OK();
  }

  IOStatus Append(const Slice &data, const IOOptions &options, const rocksdb::DataVerificationInfo &,
                  IODebugContext *dbg) override {
    return Append(data, options, dbg);
  }

  IOStatus RangeSync(uint64_t offset, uint64_t size, const IOOptions &options, IODebugContext *dbg) override {
    if (error_.ok()) error_ = target()->RangeSync(offset, size, options, dbg);
    return IOStatus::OK();
  }

  IOStatus Sync(const IOOptions &options, IODebugContext *dbg) override {
    return error_.ok() ? target()->Sync(options, dbg) : error_;
  }

  IOStatus Fsync(const IOOptions &options, IODebugContext *dbg) override {
    return error_.ok() ? target()->Fsync(options, dbg) : error_;
  }

  IOStatus Close(const IOOptions &options, IODebugContext *dbg) override {
    IOStatus status = target()->Close(options, dbg);
    return error_.ok() ? status : error_;
  }

private:
  IOStatus error_;
};

// RocksDB's diary: lines that have no room are left out.
class DiaryFile : public rocksdb::FSWritableFileOwnerWrapper {
public:
  explicit DiaryFile(std::unique_ptr<FSWritableFile> &&file) : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const Slice &data, const IOOptions &options, IODebugContext *dbg) override {
    target()->Append(data, options, dbg).PermitUncheckedError();
    return IOStatus::OK();
  }

  IOStatus Append(const Slice &data, const IOOptions &options, const rocksdb::DataVerificationInfo &,
                  IODebugContext *dbg) override {
    return Append(data, options, dbg);
  }
};

class StoreFileSystem : public rocksdb::FileSystemWrapper {
public:
  explicit StoreFileSystem(Files *files) : FileSystemWrapper(rocksdb::FileSystem::Default()), files_(files) {}

  static const char *kClassName() { return "RapportFileSystem"; }
  const char *Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string &name, const FileOptions &options, std::unique_ptr<FSWritableFile> *file,
                           IODebugContext *dbg) override {
    IOStatus status = target()->NewWritableFile(name, options, file, dbg);
    if (!status.ok()) return status;
    try {
      file->reset(wrap(name, std::move(*file)));
    } catch (const std::bad_alloc &) {
      file->reset();
      return IOStatus::IOError("no memory for a file");
    }
    return status;
  }

  // The wrapper would let the inner file system make the diary's file, behind our back.
  IOStatus NewLogger(const std::string &name, const IOOptions &options, std::shared_ptr<rocksdb::Logger> *logger,
                     IODebugContext *dbg) override {
    return rocksdb::FileSystem::NewLogger(name, options, logger, dbg); // NOLINT(bugprone-parent-virtual-call)
  }

private:
  FSWritableFile *wrap(const std::string &name, std::unique_ptr<FSWritableFile> &&file) const {
    size_t slash = name.rfind('/');
    bool is_ours = slash != std::string::npos && name.compare(0, slash, files_->directory) == 0;
    if (is_ours && name.size() > 4 && name.compare(name.size() - 4, 4, ".log") == 0) {
      return new LogFile(std::move(file), files_);
    }
    if (is_ours && name.compare(slash, std::string::npos, "/LOG") == 0) return new DiaryFile(std::move(file));
    return new OtherFile(std::move(file));
  }

  Files *files_;
};

// RocksDB counts its every comparison for each thread, also while it sorts and merges in the background, and nobody
// reads these counts.
struct Job {
  void (*function)(void *);
  void (*unscheduled)(void *);
  void *argument;
};

void run_uncounted(void *opaque) {
  std::unique_ptr<Job> job(static_cast<Job *>(opaque));
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  job->function(job->argument);
}

void drop_job(void *opaque) {
  std::unique_ptr<Job> job(static_cast<Job *>(opaque));
  if (job->unscheduled != nullptr) job->unscheduled(job->argument);
}

class UncountedEnv : public rocksdb::EnvWrapper {
public:
  using rocksdb::EnvWrapper::EnvWrapper;

  void Schedule(void (*function)(void *), void *argument, Priority priority, void *tag,
                void (*unscheduled)(void *)) override {
    Job *job = new (std::nothrow) Job{function, unscheduled, argument};
    if (job == nullptr) return target()->Schedule(function, argument, priority, tag, unscheduled);
    target()->Schedule(run_uncounted, job, priority, tag, drop_job);
  }
};

} // namespace

struct store_log {
  Files files;
  std::unique_ptr<rocksdb::Env> env;
  rocksdb_env_t handle;
};

enum err store_log_open(struct store_log **log, const char *path) {
  try {
    auto made = std::make_unique<store_log>();
    made->files.directory = path;
    made->env =
        std::make_unique<UncountedEnv>(rocksdb::NewCompositeEnv(std::make_shared<StoreFileSystem>(&made->files)));
    made->handle = {made->env.get(), false};
    *log = made.release();
    return ERR_OK;
  } catch (const std::bad_alloc &) {
    return ERR_NO_MEMORY;
  }
}

void store_log_close(struct store_log *log) {
  delete log;
}

rocksdb_env_t *store_log_env(struct store_log *log) {
  return &log->handle;
}

// The names of new files are the directory's content.
static bool sync_directory(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

// The file after `file`, pinned instead of it; NULL: from none, and to none.
static LogFile *pin_next(Files &files, LogFile *file) {
  std::lock_guard<std::mutex> lock(files.files_mutex);
  auto next = files.files.begin();
  if (file) {
    next = std::find(files.files.begin(), files.files.end(), file) + 1; // pinned, therefore there
    file->pins--;
    files.unpinned.notify_all();
  }
  if (next == files.files.end()) return nullptr;
  (*next)->pins++;
  return *next;
}

enum err store_log_sync(struct store_log *log) {
  Files &files = log->files;
  IOStatus status;
  // Before the files: a name is there as long as its content.
  bool named = !files.is_new_in_directory.exchange(false) || sync_directory(files.directory.c_str());
  if (!named) files.is_new_in_directory = true;
  for (LogFile *file = pin_next(files, nullptr); file; file = pin_next(files, file)) {
    if (status.ok()) status = file->sync(IOOptions(), nullptr);
  }
  if (status.IsNoSpace()) return ERR_FULL;
  return status.ok() && named ? ERR_OK : ERR_IO;
}

bool store_log_is_waiting(struct store_log *log) {
  return log->files.waiting > 0;
}
