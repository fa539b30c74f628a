//! Small pictures among the messages, as they are drawn, and what is asked for them.

use std::fmt::Write;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use insta::assert_snapshot;
use ratatui::style::Color;

use super::super::app::{Effect, Msg};
use super::super::pictures::of_answer;
use super::scene::*;
use crate::api::people::PictureView;
use crate::api::view::{Body, MessageView};
use crate::api::{Answer, ApiError, Code, FileState};
use crate::display::{Charset, Pixels};

/// The `n`th message, which offers a file with a small picture.
fn with_picture(n: u8) -> MessageView {
    let mut message = file(n, "bob", FileState::Offered, None);
    if let Body::File(body) = &mut message.body {
        body.preview = true;
    }
    message
}

fn coloured(page: Vec<MessageView>) -> Scene {
    let mut scene = Scene::of(vec![conversation(BOB, "bob", 0)]).says(page);
    (scene.app.theme.colour, scene.app.theme.every_colour) = (true, true);
    scene
}

/// What a node answers of a picture that is red on the left and grows blue downwards.
fn answer(width: u32, height: u32) -> Result<Answer, ApiError> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let blue = u8::try_from(y * 255 / height).unwrap();
        Rgb([if x < width / 2 { 255 } else { 0 }, 0, blue])
    });
    let mut out = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut out, ImageFormat::Png).unwrap();
    Ok(Answer::Preview(PictureView::of(&out.into_inner())))
}

/// Everything on the screen is there.
fn come(scene: &mut Scene, width: u32, height: u32) -> Vec<u64> {
    let mut asked = Vec::new();
    loop {
        scene.screen(80, 40);
        let wanted = scene.app.want_pictures();
        if wanted.is_empty() {
            return asked;
        }
        for effect in wanted {
            let Effect::Picture(file) = effect else { panic!("{effect:?}") };
            let pixels = of_answer(answer(width, height));
            assert!(pixels.is_some());
            scene.app.update(Msg::Picture(file, pixels), NOON);
            asked.push(file);
        }
    }
}

/// The colours of all half blocks, upper and lower pixel, a line for each line that has some.
fn colours(scene: &mut Scene, width: u16, height: u16) -> String {
    let cells = scene.cells(width, height);
    let name = |colour: Color| match colour {
        Color::Rgb(red, green, blue) => format!("{red:02x}{green:02x}{blue:02x}"),
        Color::Indexed(index) => format!("{index}"),
        _ => "none".to_owned(),
    };
    let mut lines = String::new();
    for y in 0..height {
        let blocks = (0..width).map(|x| &cells[(x, y)]).filter(|cell| cell.symbol() == "▀");
        let line: Vec<_> =
            blocks.map(|cell| format!("{}/{}", name(cell.fg), name(cell.bg))).collect();
        if !line.is_empty() {
            writeln!(lines, "{}", line.join(" ")).unwrap();
        }
    }
    lines
}

#[test]
fn a_small_picture_stands_below_its_file_in_half_blocks() {
    let mut scene = coloured(vec![with_picture(1), text(BOB, 2, "bob", "and?")]);
    assert!(!scene.screen(80, 20).contains('▀'), "it is not here yet");
    assert_eq!(come(&mut scene, 320, 240), [1]);
    assert_snapshot!("picture", scene.screen(80, 18));
    assert_snapshot!("picture_narrow", scene.screen(40, 18));
    let mut tiny = coloured(vec![with_picture(1)]);
    come(&mut tiny, 4, 5);
    assert_snapshot!("picture_colours", colours(&mut tiny, 80, 18));
    tiny.app.theme.every_colour = false;
    assert_snapshot!("picture_256_colours", colours(&mut tiny, 80, 18));
}

#[test]
fn a_picture_is_asked_for_once_while_it_is_on_the_screen_and_in_no_other_case() {
    let pages = (1..=40).map(|n| text(BOB, n, "alice", "a line")).collect::<Vec<_>>();
    let mut scene = coloured([vec![with_picture(0)], pages].concat());
    scene.screen(80, 20);
    assert_eq!(scene.app.want_pictures(), [], "it is far above");
    scene.app.scroll_by(usize::MAX, true);
    scene.screen(80, 20);
    assert_eq!(scene.app.want_pictures(), [Effect::Picture(0)]);
    scene.screen(80, 20);
    assert_eq!(scene.app.want_pictures(), []);
    scene.app.update(Msg::Picture(0, None), NOON);
    scene.screen(80, 20);
    assert_eq!(scene.app.want_pictures(), [], "there is none, and that is known now");
    let mut plain = coloured(vec![file(1, "bob", FileState::Offered, None)]);
    assert_eq!(come(&mut plain, 4, 4), [0; 0]);
}

#[test]
fn without_colours_or_blocks_nothing_is_drawn_and_nothing_asked() {
    for (colour, charset) in [(false, Charset::Unicode), (true, Charset::Ascii)] {
        let mut scene = coloured(vec![with_picture(1)]);
        (scene.app.theme.colour, scene.app.theme.charset) = (colour, charset);
        assert_eq!(come(&mut scene, 4, 4), [0; 0]);
        let pixels: Option<Pixels> = of_answer(answer(4, 4));
        scene.app.update(Msg::Picture(1, pixels), NOON);
        assert!(!scene.screen(80, 20).contains('▀'));
    }
}

#[test]
fn alt_p_hides_small_pictures_and_shows_them_again() {
    let mut scene = coloured(vec![with_picture(1)]);
    come(&mut scene, 40, 40);
    let shown = |scene: &mut Scene| scene.screen(80, 20).contains('▀');
    assert!(shown(&mut scene));
    scene.alt('p');
    assert!(!shown(&mut scene) && scene.screen(80, 20).contains("small pictures are hidden"));
    scene.alt('p');
    assert!(shown(&mut scene), "it was not forgotten");
    assert_eq!(scene.app.want_pictures(), []);
}

#[test]
fn what_the_node_cannot_answer_or_nobody_can_decode_is_no_picture() {
    let mut hostile =
        PictureView::of(&[&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &[0, 0, 0, 9]].concat());
    assert!(hostile.is_none());
    if let Ok(Answer::Preview(Some(picture))) = answer(4, 4) {
        hostile = Some(PictureView { bytes: picture.bytes.replace('R', "S"), ..picture });
    }
    assert!(hostile.is_some() && of_answer(Ok(Answer::Preview(hostile))).is_none());
    assert!(of_answer(Ok(Answer::Preview(None))).is_none());
    assert!(of_answer(Err(ApiError::new(Code::NotFound, "no", "look again"))).is_none());
}
