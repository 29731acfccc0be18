// Draws a matrix, or a grid of matrices of one size, with one colour a cell.
//
//     share  = (value - low) / (high - low)
//     colour = colours[round(255 * share)]
//
// Where a pixel covers several cells it shows the one that is furthest from the
// ground, so that a single large number is never lost. The twin of `share` and
// of the colours is `src/colormap.rs`.
//
// | binding | what |
// |---|---|
// | 0 | Settings |
// | 1 | values, f32, one texel a cell; tiles side by side and below each other |
// | 2 | limits of every tile, low and high, one texel a tile |
// | 3 | the 256 colours of the map |

struct Settings {
    // Of the cells: first column, first row, columns, rows that are shown.
    view: vec4<f32>,
    // Cells of a tile, and the gap behind each as a share of it, across and down.
    tile: vec4<f32>,
    // Cells that a pixel covers, across and down.
    footprint: vec2<f32>,
    // 1: the ground is the lowest number; 0: it is the middle.
    is_sequential: u32,
    // 1: the target takes linear colours.
    is_linear: u32,
    // What stands for a number that is not finite.
    not_finite: vec4<f32>,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var values: texture_2d<f32>;
@group(0) @binding(2) var limits: texture_2d<f32>;
@group(0) @binding(3) var colours: texture_2d<f32>;

// Numbers above this are a mark: shaders need not know NaN.
const MARK: f32 = 1e38;
// Cells that a pixel looks at, a side.
const MAX_COVERED: i32 = 8;

struct Vertex {
    @builtin(position) position: vec4<f32>,
    // 0 to 1 from the upper left.
    @location(0) at: vec2<f32>,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> Vertex {
    let corner = vec2<f32>(f32(index % 2u), f32(index / 2u));
    var out: Vertex;
    out.position = vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
    out.at = corner;
    return out;
}

fn linear_from_gamma(gamma: vec3<f32>) -> vec3<f32> {
    let low = gamma / 12.92;
    let high = pow((gamma + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, gamma <= vec3<f32>(0.04045));
}

@fragment
fn fragment(in: Vertex) -> @location(0) vec4<f32> {
    let at = settings.view.xy + in.at * settings.view.zw;
    let tile = floor(at / settings.tile.xy);
    let inside = at - tile * settings.tile.xy;
    let filled = settings.tile.xy * (1.0 - settings.tile.zw);
    if inside.x >= filled.x || inside.y >= filled.y {
        discard;
    }
    // What is left beside the gap shows the whole tile.
    let place = inside / filled * settings.tile.xy;
    let first_of_tile = vec2<i32>(tile * settings.tile.xy);
    let last_of_tile = first_of_tile + vec2<i32>(settings.tile.xy) - 1;
    let covered = clamp(vec2<i32>(ceil(settings.footprint)), vec2<i32>(1), vec2<i32>(MAX_COVERED));
    let first = first_of_tile + vec2<i32>(floor(place - (settings.footprint - 1.0) * 0.5));
    let edges = textureLoad(limits, vec2<i32>(tile), 0).rg;
    let ground = select((edges.x + edges.y) * 0.5, edges.x, settings.is_sequential == 1u);
    var value = ground;
    for (var row = 0; row < covered.y; row++) {
        for (var column = 0; column < covered.x; column++) {
            let cell = clamp(first + vec2<i32>(column, row), first_of_tile, last_of_tile);
            let next = textureLoad(values, cell, 0).r;
            if abs(next - ground) > abs(value - ground) {
                value = next;
            }
        }
    }
    let width = edges.y - edges.x;
    var share = 0.5;
    if width > 0.0 {
        share = clamp((value - edges.x) / width, 0.0, 1.0);
    }
    var colour = textureLoad(colours, vec2<i32>(i32(round(share * 255.0)), 0), 0).rgb;
    if value > MARK {
        colour = settings.not_finite.rgb;
    }
    if settings.is_linear == 1u {
        colour = linear_from_gamma(colour);
    }
    return vec4<f32>(colour, 1.0);
}
