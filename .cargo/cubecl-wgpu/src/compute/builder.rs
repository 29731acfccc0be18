//! Changed here, see `CHANGES.md`: what builds a kernel is apart from the server, so that
//! several threads build kernels that a program will launch, and so that a program keeps
//! what was built from one start to the next.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use cubecl_core::prelude::*;
use cubecl_core::server::{KernelArguments, LaunchError, ServerUtilities};
use cubecl_core::{WgpuCompilationOptions, prelude::Visibility};
use cubecl_environment::stream::StreamId;
use cubecl_server::compiler::CompilationRecording;
use cubecl_server::kernel::{BufferIOAttr, CubeKernel, DebugInformation};
use cubecl_server::validation::{validate_cube_dim, validate_units};

use crate::backend::{Layout, ModuleSource, layout_of};
use crate::{AutoRepresentation, CompilerInfo, ParamsTransfer, PipelineEntry, WgpuCompiler};

/// Where a program keeps kernels that were built for it, by keys that hold for this build
/// of the program alone: they name a kernel's type and what is known of it when it is
/// built, but nothing of its body.
pub trait KernelStore: Send + Sync {
    /// What [`Self::save`] was given last for the key.
    fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Keeps a kernel.
    fn save(&self, key: &str, bytes: &[u8]);
}

static STORE: OnceLock<Box<dyn KernelStore>> = OnceLock::new();

/// Keeps kernels in `store` from here on; the first call holds.
pub fn keep_kernels_in(store: Box<dyn KernelStore>) {
    let _ = STORE.set(store);
}

/// Streams whose launches only have their kernels built.
static BUILDING: Mutex<Option<HashSet<StreamId>>> = Mutex::new(None);
/// How many they are.
static N_BUILDING: AtomicUsize = AtomicUsize::new(0);

/// Whether launches of the present stream have their kernels built on other threads and do
/// nothing else, until it is called again. Everything that was launched before has to be
/// flushed first: a launch that waits for its server is treated as the stream is by then.
pub fn set_only_builds(only_builds: bool) {
    let stream = StreamId::current();
    let mut all = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    match only_builds {
        true => all.insert(stream),
        false => all.remove(&stream),
    };
    N_BUILDING.store(all.len(), Ordering::Release);
}

/// Whether launches of `stream` only have their kernels built.
pub(crate) fn only_builds(stream: StreamId) -> bool {
    if N_BUILDING.load(Ordering::Acquire) == 0 {
        return false;
    }
    let all = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    all.as_ref().is_some_and(|all| all.contains(&stream))
}

/// What the layout of a pipeline has to know of a launch.
#[derive(Debug, Clone, Copy)]
pub struct InfoKind {
    /// Whether there are sizes and scalars.
    pub has_info: bool,
    /// Whether they fit into a uniform buffer.
    pub is_uniform: bool,
}

impl InfoKind {
    pub(crate) fn of(arguments: &KernelArguments) -> Self {
        let info = &arguments.info;
        Self {
            has_info: !info.data.is_empty(),
            is_uniform: info.dynamic_metadata_offset >= info.data.len(),
        }
    }
}

/// What builds the kernels of a device, on any thread.
#[derive(Debug)]
pub struct PipelineBuilder<C: WgpuCompiler> {
    pub(crate) device: wgpu::Device,
    pub(crate) backend: wgpu::Backend,
    pub(crate) compilation_options: WgpuCompilationOptions,
    pub(crate) utilities: Arc<ServerUtilities>,
    pub(crate) _compiler: PhantomData<fn() -> C>,
}

/// A kernel that was built, and what it was built from.
pub(crate) struct Built {
    pub entry: PipelineEntry,
    #[cfg_attr(not(feature = "spirv"), allow(dead_code))]
    pub entrypoint_name: String,
    /// Not of a kernel that was kept.
    #[cfg_attr(not(feature = "spirv"), allow(dead_code))]
    pub repr: Option<AutoRepresentation>,
}

impl<C: WgpuCompiler> PipelineBuilder<C> {
    /// Builds a kernel, or makes its pipeline of what was kept.
    pub(crate) fn build(
        &self,
        kernel: &dyn CubeKernel,
        kernel_id: &KernelId,
        info: InfoKind,
    ) -> Result<Built, LaunchError> {
        let key = STORE.get().map(|store| (store, self.key(kernel_id)));
        if let Some((store, key)) = &key {
            let bytes = store.load(key);
            let kept = bytes.as_deref().and_then(Kept::read);
            if let Some(built) = kept.and_then(|kept| self.build_kept(kernel_id, kept)) {
                return Ok(built);
            }
        }
        let mut recording = CompilationRecording::new(kernel_id);
        validate_cube_dim(&self.utilities.properties, kernel_id)?;
        validate_units(&self.utilities.properties, kernel_id)?;
        let definition = cubecl_core::define_kernel(kernel)?;
        recording.defined(&definition);

        let mut compiler = C::init(self.backend, &self.compilation_options);
        let mut compiled =
            compiler.compile_kernel(&self.compilation_options, kernel, definition)?;
        let logger = &self.utilities.logger;
        if logger.compilation_source_activated() {
            compiled.debug_info = Some(DebugInformation::new(
                compiler.lang_tag(),
                kernel_id.clone(),
            ));
        }
        logger.log_compilation(&compiled);

        compiler.validate_ir(&compiled.repr, &self.utilities.properties)?;
        // The compiled kernel's per-buffer answer, before the repr is
        // consumed: what the write scope stages from.
        let io: Option<Arc<[BufferIOAttr]>> = compiled.io.take().map(Arc::from);
        let (compiler_info, repr) = compiler.normalize_repr(compiled.repr);
        let entrypoint_name = compiled.entrypoint_name;
        let repr_ref = repr.as_ref().map(|r| r.as_ref());
        let source = ModuleSource::resolve(repr_ref, compiler.lang_tag(), &compiled.source)?;
        if let Some((store, key)) = &key
            && let Some(layout) = layout_of(repr_ref, info)
            && let Some(bytes) = written(
                &entrypoint_name,
                &layout,
                io.as_deref(),
                &compiler_info,
                &source,
            )
        {
            store.save(key, &bytes);
        }
        let module = self.create_module(
            &entrypoint_name,
            kernel_id.cube_dim.into(),
            source,
            kernel_id.mode,
        )?;
        let layout = layout_of(repr_ref, info);
        let pipeline = self.create_pipeline(&entrypoint_name, layout, module)?;
        recording.source(&compiled.source);
        recording.compiled(false);
        Ok(Built {
            entry: (pipeline, compiler_info, io),
            entrypoint_name,
            repr,
        })
    }

    /// None where the device refuses it, so that it is built anew.
    fn build_kept(&self, kernel_id: &KernelId, kept: Kept<'_>) -> Option<Built> {
        #[cfg(feature = "spirv")]
        let words: Vec<u32>;
        let source = match kept.tag {
            TAG_WGSL => ModuleSource::Wgsl(std::str::from_utf8(kept.code).ok()?),
            #[cfg(feature = "spirv")]
            TAG_IMMEDIATE | TAG_UNIFORM if self.compilation_options.supports_vulkan_compiler => {
                let of_four = |four: &[u8]| four.try_into().ok().map(u32::from_le_bytes);
                words = kept.code.chunks(4).map(of_four).collect::<Option<_>>()?;
                ModuleSource::SpirV(&words)
            }
            _ => return None,
        };
        let compiler_info = match kept.tag {
            TAG_IMMEDIATE => CompilerInfo::Vulkan {
                params_transfer: ParamsTransfer::Immediate,
            },
            TAG_UNIFORM => CompilerInfo::Vulkan {
                params_transfer: ParamsTransfer::Uniform,
            },
            _ => CompilerInfo::WGSL,
        };
        let name = kept.entrypoint_name;
        let cube_dim = kernel_id.cube_dim.into();
        let module = self
            .create_module(name, cube_dim, source, kernel_id.mode)
            .ok()?;
        let pipeline = self.create_pipeline(name, Some(kept.layout), module).ok()?;
        Some(Built {
            entry: (pipeline, compiler_info, kept.io.map(Arc::from)),
            entrypoint_name: name.to_string(),
            repr: None,
        })
    }

    /// The key of a kernel: its type, what is known of it when it is built, and everything
    /// of the device that its code depends on.
    fn key(&self, kernel_id: &KernelId) -> String {
        let mut of_device = DefaultHasher::new();
        self.utilities.properties_hash.hash(&mut of_device);
        format!("{:?}", self.compilation_options).hash(&mut of_device);
        format!("{:?}", self.utilities.target_properties).hash(&mut of_device);
        self.backend.hash(&mut of_device);
        format!(
            "{:016x}-{:032x}",
            of_device.finish(),
            kernel_id.stable_hash()
        )
    }
}

/// Kernels that other threads build.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    building: HashMap<KernelId, mpsc::Receiver<PipelineEntry>>,
}

impl Ahead {
    /// Has a kernel built, unless it is being built.
    pub fn begin<C: WgpuCompiler>(
        &mut self,
        builder: &Arc<PipelineBuilder<C>>,
        kernel: Box<dyn CubeKernel>,
        kernel_id: KernelId,
        info: InfoKind,
    ) {
        if self.building.contains_key(&kernel_id) {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let builder = Arc::clone(builder);
        let id = kernel_id.clone();
        let job = Box::new(move || {
            // What cannot be built is built once more by its launch, which says why.
            if let Ok(built) = builder.build(&*kernel, &id, info) {
                let _ = sender.send(built.entry);
            }
        });
        if threads().send(job).is_ok() {
            self.building.insert(kernel_id, receiver);
        }
    }

    /// Waits for a kernel that is being built; none where it is not, or could not be.
    pub fn wait(&mut self, kernel_id: &KernelId) -> Option<PipelineEntry> {
        self.building.remove(kernel_id)?.recv().ok()
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Expansion and passes walk a kernel's blocks inside each other.
const STACK_BYTES: usize = 16 << 20;

/// Threads that build kernels, for all devices.
fn threads() -> &'static mpsc::Sender<Job> {
    static THREADS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    THREADS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let n_threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(16));
        for idx in 0..n_threads {
            let receiver = Arc::clone(&receiver);
            let work = move || {
                loop {
                    let job = receiver
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok(job) = job else { return };
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            };
            let thread = std::thread::Builder::new()
                .name(format!("kernels-{idx}"))
                .stack_size(STACK_BYTES)
                .spawn(work);
            if let Err(error) = thread {
                log::warn!("a thread that builds kernels could not be started: {error}");
            }
        }
        sender
    })
}

const TAG_WGSL: u8 = 0;
const TAG_IMMEDIATE: u8 = 1;
const TAG_UNIFORM: u8 = 2;

/// A kernel as it is kept.
struct Kept<'a> {
    tag: u8,
    entrypoint_name: &'a str,
    layout: Layout,
    io: Option<Vec<BufferIOAttr>>,
    code: &'a [u8],
}

/// A kernel as bytes; none of a language that is not kept.
fn written(
    entrypoint_name: &str,
    (bindings, immediate_size): &Layout,
    io: Option<&[BufferIOAttr]>,
    compiler_info: &CompilerInfo,
    source: &ModuleSource<'_>,
) -> Option<Vec<u8>> {
    let tag = match compiler_info {
        CompilerInfo::WGSL => TAG_WGSL,
        CompilerInfo::Vulkan { params_transfer } => match params_transfer {
            ParamsTransfer::Immediate => TAG_IMMEDIATE,
            ParamsTransfer::Uniform => TAG_UNIFORM,
        },
        CompilerInfo::Metal | CompilerInfo::None => return None,
    };
    let mut bytes = vec![tag];
    let push = |bytes: &mut Vec<u8>, part: &[u8]| {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(part);
    };
    push(&mut bytes, entrypoint_name.as_bytes());
    bytes.extend((*immediate_size as u32).to_le_bytes());
    let of_bindings: Vec<u8> = bindings
        .iter()
        .map(|x| VISIBILITIES.iter().position(|y| x == y))
        .map(|at| at.map(|at| at as u8))
        .collect::<Option<_>>()?;
    push(&mut bytes, &of_bindings);
    bytes.push(u8::from(io.is_some()));
    let of_io: Vec<u8> = io
        .unwrap_or_default()
        .iter()
        .map(|x| IO.iter().position(|y| x == y))
        .map(|at| at.map(|at| at as u8))
        .collect::<Option<_>>()?;
    push(&mut bytes, &of_io);
    match source {
        ModuleSource::Wgsl(text) => bytes.extend(text.as_bytes()),
        #[cfg(feature = "spirv")]
        ModuleSource::SpirV(words) => {
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()))
        }
        #[cfg(all(feature = "msl", target_os = "macos"))]
        ModuleSource::Msl(_) => return None,
    }
    Some(bytes)
}

const VISIBILITIES: [Visibility; 3] =
    [Visibility::Uniform, Visibility::Read, Visibility::ReadWrite];
const IO: [BufferIOAttr; 4] = [
    BufferIOAttr::ReadOnly,
    BufferIOAttr::WriteOnly,
    BufferIOAttr::ReadWrite,
    BufferIOAttr::Dead,
];

impl<'a> Kept<'a> {
    /// None of what [`written`] did not write.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let tag = *take(&mut rest, 1)?.first()?;
        let entrypoint_name = std::str::from_utf8(part(&mut rest)?).ok()?;
        let immediate_size = number(&mut rest)?;
        let of_bindings = part(&mut rest)?.iter();
        let bindings = of_bindings
            .map(|at| VISIBILITIES.get(usize::from(*at)).copied())
            .collect::<Option<_>>()?;
        let has_io = take(&mut rest, 1)? == [1];
        let of_io = part(&mut rest)?.iter();
        let io = of_io
            .map(|at| IO.get(usize::from(*at)).copied())
            .collect::<Option<_>>()?;
        Some(Self {
            tag,
            entrypoint_name,
            layout: (bindings, immediate_size),
            io: has_io.then_some(io),
            code: rest,
        })
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let four = take(rest, 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    take(rest, len)
}
