//! The GPU's side of `heatmap.rs`: textures that are made once for every set of
//! numbers, and the painting by `shaders/heatmap.wgsl`.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytemuck::{Pod, Zeroable};
use eframe::egui::PaintCallbackInfo;
use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use eframe::wgpu;
use wgpu::util::DeviceExt as _;

use super::heatmap_data::HeatmapData;
use crate::colormap::{ColourMap, Limits, N_COLOURS, NOT_FINITE, Rgb, Scale};

/// Frames after which what is not shown any more is given back.
const KEPT_PASSES: u64 = 120;
/// What stands for a number that is not finite; see `MARK` of the shader.
const MARK: f32 = 3e38;

/// The format of the window's surface. Where nobody told, that of tests.
static SURFACE: OnceLock<wgpu::TextureFormat> = OnceLock::new();

/// Tells the format of the window's surface, once.
pub fn set_surface_format(format: wgpu::TextureFormat) {
    // A second window of the process has the same.
    let _ = SURFACE.set(format);
}

fn surface_format() -> wgpu::TextureFormat {
    *SURFACE.get().unwrap_or(&wgpu::TextureFormat::Rgba8Unorm)
}

/// One painting of a heatmap.
pub(super) struct HeatmapCallback {
    /// Tells this place of the window from others.
    pub place: u64,
    pub data: Arc<HeatmapData>,
    /// Of every tile, or one for all.
    pub limits: Vec<Limits>,
    pub draw: Draw,
    /// Counts frames.
    pub pass: u64,
}

/// What changes from frame to frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// See `Settings` of the shader.
    pub view: [f32; 4],
    pub tile: [f32; 4],
    pub footprint: [f32; 2],
    pub scale: Scale,
    pub is_dark: bool,
}

/// `Settings` of the shader.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Settings {
    view: [f32; 4],
    tile: [f32; 4],
    footprint: [f32; 2],
    is_sequential: u32,
    is_linear: u32,
    not_finite: [f32; 4],
}

/// What the GPU holds.
struct Gpu {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    maps: HashMap<(Scale, bool), wgpu::TextureView>,
    /// Numbers by [`HeatmapData::id`], and the pass that used them last.
    values: HashMap<u64, (wgpu::TextureView, u64)>,
    /// By [`HeatmapCallback::place`].
    places: HashMap<u64, HeatmapSlot>,
}

/// A place of the window.
struct HeatmapSlot {
    settings: wgpu::Buffer,
    limits: (Vec<Limits>, wgpu::TextureView),
    group: wgpu::BindGroup,
    pass: u64,
}

impl CallbackTrait for HeatmapCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let gpu = resources.entry().or_insert_with(|| Gpu::new(device));
        gpu.prepare(device, queue, self);
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(gpu) = resources.get::<Gpu>() else {
            return;
        };
        if let Some(place) = gpu.places.get(&self.place) {
            pass.set_pipeline(&gpu.pipeline);
            pass.set_bind_group(0, &place.group, &[]);
            pass.draw(0..4, 0..1);
        }
    }
}

impl Gpu {
    fn new(device: &wgpu::Device) -> Self {
        let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("heatmap"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../../shaders/heatmap.wgsl").into()),
        });
        let texture = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let settings = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let entries = [settings, texture, texture, texture];
        let entries: Vec<_> = (0..)
            .zip(entries)
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::FRAGMENT,
                ty,
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("heatmap"),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("heatmap"),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heatmap"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &shader,
                entry_point: Some("vertex"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            fragment: Some(wgpu::FragmentState {
                module: &shader,
                entry_point: Some("fragment"),
                compilation_options: Default::default(),
                targets: &[Some(surface_format().into())],
            }),
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..Default::default()
            },
            depth_stencil: None,
            multisample: Default::default(),
            multiview_mask: None,
            cache: None,
        });
        Self {
            pipeline,
            layout,
            maps: HashMap::new(),
            values: HashMap::new(),
            places: HashMap::new(),
        }
    }

    fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, callback: &HeatmapCallback) {
        let HeatmapCallback {
            place: at,
            data,
            limits,
            draw,
            pass,
        } = callback;
        self.forget(*pass);
        let values = self
            .values
            .entry(data.id)
            .or_insert_with(|| (upload_values(device, queue, data), *pass));
        values.1 = *pass;
        let map = (draw.scale, draw.is_dark);
        let colours = self
            .maps
            .entry(map)
            .or_insert_with(|| upload_map(device, queue, map));
        let edges = match self.places.remove(at) {
            Some(place) if place.limits.0 == *limits => place.limits.1,
            _ => upload_limits(device, queue, data, limits),
        };
        let settings = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("heatmap settings"),
            contents: bytemuck::bytes_of(&draw.settings()),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let resources = [
            settings.as_entire_binding(),
            wgpu::BindingResource::TextureView(&values.0),
            wgpu::BindingResource::TextureView(&edges),
            wgpu::BindingResource::TextureView(colours),
        ];
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("heatmap"),
            layout: &self.layout,
            entries: &entries,
        });
        let place = HeatmapSlot {
            settings,
            limits: (limits.clone(), edges),
            group,
            pass: *pass,
        };
        self.places.insert(*at, place);
    }

    /// Gives back what was not shown for a while.
    fn forget(&mut self, pass: u64) {
        self.values
            .retain(|_, (_, used)| *used + KEPT_PASSES > pass);
        self.places.retain(|_, place| {
            let is_shown = place.pass + KEPT_PASSES > pass;
            if !is_shown {
                place.settings.destroy();
            }
            is_shown
        });
    }
}

impl Draw {
    fn settings(&self) -> Settings {
        let [r, g, b] = NOT_FINITE.map(|part| f32::from(part) / 255.0);
        Settings {
            view: self.view,
            tile: self.tile,
            footprint: self.footprint,
            is_sequential: u32::from(self.scale == Scale::Sequential),
            is_linear: u32::from(surface_format().is_srgb()),
            not_finite: [r, g, b, 1.0],
        }
    }
}

fn upload_values(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    data: &HeatmapData,
) -> wgpu::TextureView {
    let marked = |x: &f32| if x.is_finite() { *x } else { MARK };
    let values: Vec<f32> = data.values.iter().map(marked).collect();
    let size = [data.width, data.height];
    let bytes = bytemuck::cast_slice(&values);
    upload(device, queue, size, wgpu::TextureFormat::R32Float, bytes)
}

/// One texel a tile.
fn upload_limits(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    data: &HeatmapData,
    limits: &[Limits],
) -> wgpu::TextureView {
    let size = data.n_tiles();
    let all = limits.iter().cycle().take(size[0] * size[1]);
    let edges: Vec<[f32; 2]> = all.map(|limits| [limits.low, limits.high]).collect();
    let bytes = bytemuck::cast_slice(&edges);
    upload(device, queue, size, wgpu::TextureFormat::Rg32Float, bytes)
}

fn upload_map(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    (scale, is_dark): (Scale, bool),
) -> wgpu::TextureView {
    let map = ColourMap::new(scale, is_dark);
    let rgba = |[r, g, b]: &Rgb| [*r, *g, *b, 255];
    let pixels: Vec<[u8; 4]> = map.colours().iter().map(rgba).collect();
    let bytes = pixels.as_flattened();
    let format = wgpu::TextureFormat::Rgba8Unorm;
    upload(device, queue, [N_COLOURS, 1], format, bytes)
}

fn upload(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    [width, height]: [usize; 2],
    format: wgpu::TextureFormat,
    bytes: &[u8],
) -> wgpu::TextureView {
    let texture = device.create_texture_with_data(
        queue,
        &wgpu::TextureDescriptor {
            label: Some("heatmap"),
            size: wgpu::Extent3d {
                width: width as u32,
                height: height as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        },
        wgpu::util::TextureDataOrder::LayerMajor,
        bytes,
    );
    texture.create_view(&Default::default())
}
